#!/usr/bin/python3
"""A partner's system at the command line: `main.py --help`. Prints one message a line, as JSON."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "gen"))  # where ./generate writes, unless PYTHONPATH names another place
try:
    from exchange import Config, Exchange, ExchangeError
    from fairlead.v1 import exchange_service_pb2 as v1
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}; install python3-grpcio and run ./generate (README.md)")

from google.protobuf import json_format

KINDS = ("facility", "port", "observation-response", "correction")


def print_json(message):
    print(json.dumps(json_format.MessageToDict(message), ensure_ascii=False, separators=(",", ":")), flush=True)


def replace_file(file, text):
    """Whole or not at all, also when the machine stops."""
    following = file.with_name(f".{file.name}.next")
    with open(following, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(following, file)


def run_list(exchange, arguments):
    for record in exchange.records(arguments.page_size):
        print_json(record)


def run_watch(exchange, arguments):
    file = arguments.token_file
    token = file.read_text(encoding="utf-8").strip() if file and file.exists() else ""
    for response in exchange.watch(token):
        print_json(response)  # where a system would store it
        if not response.complete:
            continue
        if file:
            replace_file(file, f"{response.resume_token}\n")
        if arguments.until_complete:
            return


def run_withdrawals(exchange, _):
    for withdrawal in exchange.withdrawals():
        print_json(withdrawal)


def run_submit(exchange, arguments):
    kind = v1.SuggestionKind.Value("SUGGESTION_KIND_" + arguments.kind.upper().replace("-", "_"))
    suggestion = v1.Suggestion(kind=kind, record=arguments.record, subject=arguments.subject, text=arguments.text)
    print_json(exchange.submit(suggestion, arguments.request_id))


def run_suggestions(exchange, _):
    for suggestion in exchange.suggestions():
        print_json(suggestion)


def run_receipts(exchange, arguments):
    for receipt in exchange.receipts(arguments.record):
        print_json(receipt)


def run_receipt(exchange, arguments):
    replace_file(arguments.file, exchange.receipt(arguments.name))


def run_consistency(exchange, arguments):
    replace_file(arguments.file, exchange.consistency(arguments.receipt.read_text(encoding="utf-8")))


def parse_arguments():
    parser = argparse.ArgumentParser(description="A partner nation's client of a Fairlead network.")
    parser.add_argument("--config", required=True, type=Path)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, what, run):
        command = commands.add_parser(name, help=what)
        command.set_defaults(run=run)
        return command

    listing = add("list", "what is released", run_list)
    listing.add_argument("--page-size", type=int, default=200)
    get = add("get", "one released record", lambda exchange, a: print_json(exchange.record(a.name)))
    watch = add("watch", "what is released, then each change, until it is ended", run_watch)
    watch.add_argument("--token-file", type=Path, help="go on from the token in it, and keep it there")
    watch.add_argument("--until-complete", action="store_true", help="only what is released now")
    add("withdrawals", "what was recalled", run_withdrawals)
    acknowledge = add("acknowledge", "say that it is withdrawn", lambda exchange, a: print_json(exchange.acknowledge(a.name, a.remark)))
    acknowledge.add_argument("--remark", default="")
    submit = add("submit", "propose to the region", run_submit)
    submit.add_argument("kind", choices=KINDS)
    submit.add_argument("--text", required=True)
    submit.add_argument("--record", default="")
    submit.add_argument("--subject", default="", help="the facility's IMO number or the port's UN/LOCODE")
    submit.add_argument("--request-id", default="")
    suggestion = add("suggestion", "a proposal and its outcome", lambda exchange, a: print_json(exchange.suggestion(a.name)))
    add("suggestions", "all of them", run_suggestions)
    ask = add("ask", "ask the help desk", lambda exchange, a: print_json(exchange.ask(v1.Question(subject=a.subject, text=a.text))))
    ask.add_argument("--subject", required=True)
    ask.add_argument("--text", required=True)
    question = add("question", "a question and its answer", lambda exchange, a: print_json(exchange.question(a.name)))
    receipts = add("receipts", "what was submitted and sent, with a receipt for each", run_receipts)
    receipts.add_argument("--record", default="", help="only those about it")
    receipt = add("receipt", "save a receipt, for `fairlead verify receipt`", run_receipt)
    for command in (get, acknowledge, suggestion, question, receipt):
        command.add_argument("name")
    consistency = add("consistency", "save the proof that the log of a saved receipt has only grown since", run_consistency)
    consistency.add_argument("receipt", type=Path)
    for command in (receipt, consistency):
        command.add_argument("file", type=Path)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        with Exchange(Config.read(arguments.config)) as exchange:
            arguments.run(exchange, arguments)
    except (ExchangeError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
