from rac_ray.results.claims import Contrast, Term, every, in_turn


def test_a_contrast_reads_as_a_sentence() -> None:
    ratio, top1 = Term("convlstm", "2dot", "mnist"), Term("cnn3d", "2dot", "2dot", "val", against=None, sizes=(2, 4))
    assert str(Contrast(ratio, 0.5)) == "rr. of convlstm on mnist (from 2dot) > 0.5"
    assert str(Contrast(0.3, top1)) == "0.3 > top-1 of cnn3d on 2dot val at h=2,4 (from 2dot)"
    assert str(Contrast(ratio, 0.0, "slope")) == "slope of rr. of convlstm on mnist (from 2dot) > 0"
    diving = Term("cnn3d", "original", "t", against="s1", experiments="gh")
    assert str(diving) == "top-1 over s1's of cnn3d on t in gh (from original)"
    assert str(Term("cnn3d", "original", ("s1", "s2"))) == "rr. of cnn3d on s1 and s2 (from original)"


def test_every_and_in_turn() -> None:
    one, other = Term("a", "2dot", "mnist"), Term("b", "2dot", "mnist")
    assert every([one, 1.0], iter([other, 0.5])) == (
        Contrast(one, other),
        Contrast(one, 0.5),
        Contrast(1.0, other),
        Contrast(1.0, 0.5),
    )
    assert in_turn([one, 1.0], [other, 0.5]) == (Contrast(one, other), Contrast(1.0, 0.5))
