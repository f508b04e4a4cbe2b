"""The paper whose studies are run again, for citations."""

PAPER = "https://arxiv.org/abs/2112.12175"
BIBTEX = """\
@inproceedings{broome2023recur,
  title = {Recur, Attend or Convolve? On Whether Temporal Modeling Matters for Cross-Domain Robustness in Action
    Recognition},
  author = {Broom{\\'e}, Sofia and Pokropek, Ernest and Li, Boyu and Kjellstr{\\"o}m, Hedvig},
  booktitle = {IEEE/CVF Winter Conference on Applications of Computer Vision (WACV)},
  year = {2023}
}"""
