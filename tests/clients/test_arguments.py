from __future__ import annotations

import re

import pytest

from clients.arguments import EPILOG, parse
from clients.failures import Misuse
from clients.orders import ORDERS


def test_options_may_stand_before_or_after_the_command() -> None:
    before, _ = parse(["--json", "--organisation", "acme", "spheres"], {})
    after, _ = parse(["spheres", "--json", "--organisation", "acme"], {})

    assert before == after
    assert before.json
    assert before.organisation == "acme"


def test_an_option_after_the_command_wins() -> None:
    options, _ = parse(["--address", "a@x.org", "spheres", "--address", "b@x.org"], {})

    assert options.address == "b@x.org"


def test_options_reach_a_command_of_two_words() -> None:
    options, given = parse(["connector", "install", "Design", "CI", "--json"], {})

    assert options.json
    assert (given.deed, given.sphere, given.name) == ("install", "Design", "CI")


def test_the_environment_says_what_the_arguments_do_not() -> None:
    environ = {
        "CLOISON_SERVER": "https://cloison.example",
        "CLOISON_ORGANISATION": "acme",
        "CLOISON_ADDRESS": "ana@acme.example",
    }

    options, _ = parse(["--organisation", "other", "spheres"], environ)

    assert options.server == "https://cloison.example"
    assert options.organisation == "other"
    assert options.address == "ana@acme.example"


def test_without_a_command_one_talks() -> None:
    options, given = parse([], {})

    assert (given.command, given.sphere) == ("chat", None)
    assert options.server == "http://127.0.0.1:8000"
    assert options.encoding == "msgpack"


def test_a_command_is_never_guessed_from_its_beginning() -> None:
    with pytest.raises(SystemExit) as ending:
        parse(["spher"], {})

    assert ending.value.code == 2


@pytest.mark.parametrize(
    "url",
    [
        "ftp://here",
        "here:8000",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "https://ana:secret@cloison.example",
        "https://cloison.example/?token=1",
    ],
)
def test_what_is_not_the_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Misuse, match="--server"):
        parse(["--server", url, "spheres"], {})


def test_plain_http_to_another_machine_is_refused_unless_one_insists() -> None:
    with pytest.raises(Misuse, match="use https"):
        parse(["--server", "http://cloison.example", "spheres"], {})

    options, _ = parse(["--server", "http://cloison.example", "spheres", "--plain-http"], {})

    assert options.server == "http://cloison.example"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "a.localhost"])
def test_plain_http_to_this_machine_is_fine(host: str) -> None:
    options, _ = parse(["--server", f"http://{host}:8000/", "spheres"], {})

    assert options.server == f"http://{host}:8000"


def test_no_option_takes_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], {})

    options = re.findall(r"--[a-z-]+", capsys.readouterr().out)

    assert not {"--password", "--token", "--secret"} & set(options)


def test_every_exit_code_is_in_the_help() -> None:
    for code in (0, 1, 2, 3, 4, 130, 141):
        assert re.search(rf"^  {code} ", EPILOG, re.MULTILINE)


@pytest.mark.parametrize("order", [*ORDERS, "chat", "sign-in", "sign-out", "password", "bring"])
def test_every_order_is_a_command(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse([order, "--help"], {})

    assert ending.value.code == 0
    assert order in capsys.readouterr().out


@pytest.mark.parametrize("count", ["-1", "many"])
def test_a_count_is_a_number_that_is_not_negative(count: str) -> None:
    with pytest.raises(SystemExit) as ending:
        parse(["tail", "Design", f"--count={count}"], {})

    assert ending.value.code == 2
