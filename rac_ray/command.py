"""The command ``rac-ray``: data, Diving48, results of any folder of records, capsules."""

import argparse
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from rac_ray.arguments import Parser, add_results, integer, listed, number, run_command
from rac_ray.storage import Storage


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of ``rac-ray``."""
    parser = Parser(
        prog="rac-ray", description="Temporal Shape and Diving48 data, results of any folder of records, capsules."
    )
    nouns = parser.add_subparsers(required=True, metavar="data|diving48|results|replay", dest="noun")
    _add_data(nouns)
    _add_diving48(nouns)
    results = nouns.add_parser("results", help="tables, figures, verdicts, report of a folder of records")
    results.add_argument("folder", help="a sweep's folder, <storage>/<sweep>")
    results.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_results(results)
    results.set_defaults(run=results_of)
    again = nouns.add_parser("replay", help="derive a capsule's tables and figures again and compare every byte")
    again.add_argument("capsule", help="as packed by results --capsule")
    again.add_argument("--to", metavar="DIR", help="folder to unpack to (default: a new one beside the capsule)")
    again.add_argument("--retrain", type=integer("--retrain", 1), metavar="K", help="train K random trials once more")
    again.add_argument("--seed", type=integer("--seed", 0), default=0, help="which K trials (default: %(default)s)")
    again.set_defaults(run=replay_of)

    def command() -> int:
        options = parser.parse_args(arguments)
        return options.run(options)

    run_command(command)


def _add_data(nouns: Any) -> None:
    from rac_ray import data_verbs

    verbs = nouns.add_parser("data", help="generate, verify or preview a data folder").add_subparsers(
        required=True, metavar="generate|verify|preview", dest="verb"
    )
    generate = verbs.add_parser("generate", help="make what is missing of a data folder")
    verify = verbs.add_parser("verify", help="recompute everything the manifest claims")
    preview = verbs.add_parser("preview", help="a contact sheet and a GIF per class and domain")
    for verb, run in ((generate, data_verbs.generate), (verify, data_verbs.verify), (preview, data_verbs.preview)):
        verb.add_argument("folder", help="data folder")
        verb.set_defaults(run=run)
    generate.add_argument("--source", type=listed, metavar="A,B", help="source domains (default: all)")
    for split, count in (("train", 4000), ("val", 1000), ("test", 500), ("paired", 0)):
        flag = f"--{split}-clips"
        generate.add_argument(flag, type=integer(flag), default=count, help="per domain (default: %(default)s)")
    generate.add_argument("--digits", default="auto", help="mnist, optdigits, or auto (default: %(default)s)")
    generate.add_argument(
        "--spec", default="released", help="released data, or the paper's text (default: %(default)s)"
    )
    preview.add_argument("--out", default="preview", help="folder for the pictures (default: %(default)s)")


def _add_diving48(nouns: Any) -> None:
    from rac_ray import diving_verbs

    verbs = nouns.add_parser("diving48", help="check or decode a download of Diving48").add_subparsers(
        required=True, metavar="check|decode|sheet", dest="verb"
    )
    check = verbs.add_parser("check", help="whether a download is whole and of version 2")
    decode = verbs.add_parser("decode", help="videos to shards; only missing ones")
    for verb, run in ((check, diving_verbs.check), (decode, diving_verbs.decode)):
        verb.add_argument("folder", help="the download, with Diving48_V2_train.json and rgb/")
        verb.set_defaults(run=run)
    sheet = verbs.add_parser("sheet", help="one clip in every domain, as a picture")
    sheet.add_argument("data", help="folder or URI of shards")
    sheet.add_argument("masks", help="Parquet file of masks, or a folder of them")
    sheet.add_argument("clip", help="a clip's id")
    sheet.add_argument("--out", default="domains.png", help="default: %(default)s")
    sheet.set_defaults(run=diving_verbs.sheet)
    decode.add_argument("data", help="folder or URI for shards")
    decode.add_argument(
        "--seconds", type=number("--seconds"), default=60.0, help="for one video (default: %(default)s)"
    )
    decode.add_argument("--again", action="store_true", help="also make shards with quarantined clips again")
    decode.add_argument("--address", help="a running Ray cluster whose machines see the download")
    decode.add_argument("--num-cpus", type=integer("--num-cpus", 1), help="of the local Ray (default: what is there)")


def results_of(options: argparse.Namespace) -> int:
    """Results of whatever records are in a folder; needs neither Ray nor torch."""
    from rac_ray.results_verb import Wanted, present

    sweep = Storage.at(options.folder)
    to = options.to or f"results-of-{PurePosixPath(sweep.root).name}"
    return present(sweep, Storage.at(to), Wanted.of(options))


def replay_of(options: argparse.Namespace) -> int:
    """Derive a capsule's outputs again; with ``--retrain`` also train some of its trials again."""
    from rac_ray.replay import replay_capsule

    return replay_capsule(Path(options.capsule), options.to and Path(options.to), options.retrain, options.seed)


if __name__ == "__main__":
    main()
