"""Errors of a command line in one sentence, without a traceback."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from experiments.launch.names.old_names import CHOICES
from experiments.launch.settings.signatures import find_class, list_arguments
from experiments.launch.settings.source_arguments import read_argument_names
from experiments.launch.settings.suggestions import explain_unknown, suggest_choice
from unvoiced.text import make_printable
from unvoiced.validation import to_yaml

FULL_ERROR = "HYDRA_FULL_ERROR"
DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
DISK_ADVICE = (
    "Make room on its disk, or write elsewhere with hydra.run.dir=, data_dir= or export.output=."
)
INTERRUPTED = 130  # exit code, that of shells: 128 + SIGINT
USER_ERRORS = (ValueError, OSError, HydraException, OmegaConfBaseException, RecursionError)


# Whether the user asked for tracebacks; read before this module sets the variable for Hydra.
SHOW_TRACEBACK = bool(os.environ.get(FULL_ERROR))


@contextmanager
def report_errors() -> Iterator[None]:
    """End the program with one sentence for errors of the command or a file.

    ``HYDRA_FULL_ERROR=1`` shows the traceback instead. Ctrl-C ends it without one.
    """
    try:
        yield
    except KeyboardInterrupt:
        if SHOW_TRACEBACK:
            raise
        print("\nStopped by Ctrl-C.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except USER_ERRORS as error:
        if SHOW_TRACEBACK:
            raise
        sys.exit(f"\nerror: {make_printable(explain(error))}\n({FULL_ERROR}=1 shows where)")


@contextmanager
def raise_hydra_errors() -> Iterator[None]:
    """Let Hydra raise its errors instead of printing them with a traceback."""
    os.environ[FULL_ERROR] = "1"
    try:
        with report_errors():
            yield
    finally:
        restore_environment()


def restore_environment() -> None:
    """Remove the variable that ``raise_hydra_errors`` sets."""
    if not SHOW_TRACEBACK:
        os.environ.pop(FULL_ERROR, None)


def explain(error: BaseException) -> str:
    """Return the problem and the expected value, in one sentence."""
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _explain_composition(error)
    if isinstance(error, RecursionError):
        return "The command is nested too deeply; expected at most a few brackets."
    if isinstance(error, OSError) and not isinstance(error, ValueError) and error.strerror:
        if error.errno in DISK_FULL:
            name = to_yaml(error.filename) if error.filename else "A file of this command"
            return f"{name} cannot be written ({error.strerror}). {DISK_ADVICE}"
        return f"{to_yaml(error.filename or 'A file')}: {error.strerror}."
    return str(error)


def _explain_composition(error: HydraException | OmegaConfBaseException) -> str:
    if isinstance(error, MissingConfigException):
        return _explain_choice(error)
    if isinstance(error, OverrideParseException):
        return _explain_syntax(error)
    if (place := re.search(r"[+~](run_dir\b)", str(error))) and error.__cause__:
        return f"{place[1]} is the run folder of this command; expected hydra.run.dir= for another."
    for one in (error.__cause__, error):
        if isinstance(one, OmegaConfBaseException) and one.full_key:
            return _explain_setting(one)
    if already := re.search(r"An item is already at '([^']*)'", str(error)):
        return f"{to_yaml(already[1])} is a setting already. Leave out the +."
    return _explain_defaults(str(error)) or _explain_other(str(error))


def _explain_choice(error: MissingConfigException) -> str:
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    known = suggest_choice(group, name, sorted(error.options or ()))
    return f"{group}={to_yaml(name)} does not exist.{known}"


def _explain_syntax(error: OverrideParseException) -> str:
    argument = error.override
    key, equals, _ = argument.partition("=")
    if not equals:
        return f"{to_yaml(argument)} has no value; expected {to_yaml(argument)}=<value>."
    if unknown := re.search(r"Unknown function '(\w+)'", str(error)):
        return f"{to_yaml(argument)}: there is no function {unknown[1]}; expected key=value."
    return (
        f"{to_yaml(argument)} cannot be read; expected key=value. Put a value with special "
        f"characters into quotes twice: '{to_yaml(key)}=\"…\"'."
    )


def _explain_setting(error: OmegaConfBaseException) -> str:
    key, message = str(error.full_key), str(error).partition("\n")[0]
    if re.match(r"Key .* (is not in struct|not in )", message):
        return _explain_argument(key, error.parent_node) or explain_unknown(key)
    if "incompatible container types" in message:
        return f"{key} takes another kind of value; expected a list or a dict, as in conf/."
    return f"{key}: {message}."


def _explain_argument(key: str, node: Any) -> str:
    """Return how to add an argument of the node's class; empty if it has none."""
    target = node.get("_target_") if isinstance(node, DictConfig) else None
    try:
        names = read_argument_names(str(target)) or list_arguments(find_class(str(target)))[0]
    except ValueError:
        return ""
    if key.rpartition(".")[2] not in names:
        return ""
    return f"{to_yaml(key)} is not set in this configuration. Add it with +{to_yaml(key)}="


def _explain_defaults(message: str) -> str:
    """Return the message of an error in the choices of groups; empty for other errors."""
    if path := re.search(r"Parent traversal .*? \('([^']*)'\)", message):
        return f"{to_yaml(path[1])} is a path; expected the name of a choice in conf/."
    if given := re.match(r"Multiple values for ([^.]*)\.", message):
        return f"{to_yaml(given[1])} has a choice already. Leave out the +."
    return ""


def _explain_other(message: str) -> str:
    """Return the message of any other error, on one line."""
    if ambiguous := re.match(r"Ambiguous value for argument '(.*)'", message):
        return (
            f"{to_yaml(ambiguous[1])} has several values; expected one. Add -m to run the command "
            "for each of them, or write [a,b] for a list."
        )
    if sweep := re.match(r"Sweep parameters '(.*)' requires", message):
        return f"{to_yaml(sweep[1])} is a sweep; expected one value. Add -m to run all of them."
    if "does not support sweep type" in message:
        return "A sweep without sweep= takes lists of values alone. Add sweep=optuna to search."
    if gone := re.match(r"Could not delete from config. '(.*)' does not exist", message):
        return explain_unknown(gone[1])
    if unknown := re.match(r"Could not override '(.*?)'", message):
        return explain_unknown(unknown[1])
    if late := re.match(r"In '(.*)': Invalid Defaults List override '/(\w+): (\w+)'", message):
        place, group, name = late.groups()
        choice = CHOICES.get(f"{group}={name}", f"{group}={name}")
        return (
            f"conf/{place}.yaml overrides {group}, which is composed after it; expected settings "
            f"of {group} in the file instead. Or leave the override out and add {choice} to the "
            "command."
        )
    lines = [line.strip() for line in message.splitlines() if "https://" not in line]
    return " ".join(line for line in lines if line)
