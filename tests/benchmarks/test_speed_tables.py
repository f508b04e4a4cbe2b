from benchmarks.measure import Measured
from benchmarks.roofline import Rates, Work
from benchmarks.speed_tables import Row, rates_table, roofline_table

FAST, SLOW = Measured(200.0, 400.0, 2_000_000_000, 10), Measured(50.0, 100.0, 1_000_000_000, 3)


def row(plain: Measured | None, ours: Measured | None, *together: Measured) -> Row:
    return Row("cnn3d", 2, plain, ours, together, (), Work(1e6, 1e6), Work(1e6, 1e6), 0.0, ())


def test_rates_with_ratios_and_memory() -> None:
    table = rates_table([row(SLOW, FAST, FAST, FAST)], "training")
    assert table.splitlines()[-1] == "| cnn3d | 2 | 50.0 | 200.0 | 4.00 | 400.0 (2) | 8.00 | 1.00 | 2.00 | 4.00 |"
    table = rates_table([row(None, FAST)], "evaluation")
    assert table.splitlines()[-1] == "| cnn3d | 2 | - | 400.0 | - | - | - | - | 2.00 | - |"


def test_the_share_of_the_bound() -> None:
    lines = roofline_table([row(SLOW, FAST)], Rates(flops=1e9, moved_bytes=8e8)).splitlines()
    assert lines[-2] == "| cnn3d | 2 | training | 1.0 | 1.0 | 800.0 | memory | 25% |"
    assert lines[-1] == "| cnn3d | 2 | evaluation | 1.0 | 1.0 | 800.0 | memory | 50% |"
