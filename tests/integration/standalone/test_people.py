"""`fourpoint user` and `fourpoint token`, on a database as an operator names it, and the admin of a stack."""

import json
import stat
from uuid import uuid4

import pytest
from click.testing import CliRunner

from fourpoint_core.domain.access import Scope
from fourpoint_core.store.queries import tokens
from fourpoint_core.store.session import unit_of_work
from fourpoint_standalone import people
from fourpoint_standalone.cli import main
from fourpoint_standalone.stack import Stack, StackOptions


@pytest.fixture
def fourpoint(database_url):
    """Runs the command on the test's database."""

    def run(*arguments, status=0):
        ended = CliRunner().invoke(main, arguments, env={"FOURPOINT_DATABASE_URL": database_url})
        assert ended.exit_code == status, ended.output
        return ended

    return run


def caller_of(sessions, secret):
    with unit_of_work(sessions) as session:
        found = tokens.find_caller(session, secret)
    return found and found[0]


def test_a_person_who_was_added_is_listed(fourpoint):
    user_id = fourpoint("user", "add", "ada", "--admin").stdout.strip()
    assert f"{user_id}  ada  (admin)" in fourpoint("user", "list").stdout


def test_a_name_that_is_taken_is_told_in_a_sentence(fourpoint):
    fourpoint("user", "add", "ada")
    assert "already a user named 'ada'" in fourpoint("user", "add", "ada", status=1).output


@pytest.mark.parametrize("name", ["", " ", "a\tb", "a\nb", "x" * 101])
def test_a_name_is_held_to_what_the_api_holds_it_to(fourpoint, name):
    assert "name" in fourpoint("user", "add", "--", name, status=1).output
    assert len(fourpoint("user", "list").stdout.splitlines()) == 1


def test_a_name_is_stored_without_spaces_around_it(fourpoint):
    fourpoint("user", "add", "ada")
    assert "already a user named 'ada'" in fourpoint("user", "add", " ada", status=1).output


def test_a_token_lives_no_longer_than_the_setting_says(fourpoint, monkeypatch):
    fourpoint("user", "add", "ada")
    create = ("token", "create", "--user", "ada", "--days")
    assert "365 days at most" in fourpoint(*create, "366", status=1).output
    fourpoint(*create, "365")
    monkeypatch.setenv("FOURPOINT_MAX_TOKEN_DAYS", "400")
    fourpoint(*create, "400")
    assert "400 days at most" in fourpoint(*create, "401", status=1).output
    monkeypatch.setenv("FOURPOINT_MAX_TOKEN_DAYS", "soon")
    assert "FOURPOINT_MAX_TOKEN_DAYS" in fourpoint(*create, "1", status=1).output


def test_a_token_for_admins_is_refused_for_whoever_is_none(fourpoint):
    fourpoint("user", "add", "ada")
    create = ("token", "create", "--user", "ada", "--scope", "admin")
    assert "'ada' is no admin" in fourpoint(*create, status=1).output
    assert fourpoint("token", "list", "--user", "ada").stdout == ""
    fourpoint("user", "change", "ada", "--admin")
    fourpoint(*create)


def test_an_unknown_dataset_is_not_counted_again(fourpoint):
    assert "no dataset" in fourpoint("recount", "--dataset", str(uuid4()), status=1).output


def test_a_person_can_be_promoted_and_shut_out(fourpoint):
    fourpoint("user", "add", "ada")
    assert "(admin, disabled)" in fourpoint("user", "change", "ada", "--admin", "--disabled").stdout
    assert "(" not in fourpoint("user", "change", "ada", "--no-admin", "--enabled").stdout


def test_the_audit_log_says_who_ran_a_command_and_is_printed_by_another(fourpoint):
    fourpoint("user", "add", "ada", "--admin")
    (line,) = fourpoint("audit", "--action", "user.created", "--since", "2020-01-01").stdout.splitlines()[-1:]
    entry = json.loads(line)
    assert (entry["via"], entry["actor_id"]) == ("command line", None)
    assert entry["actor_name"] and entry["changes"]["name"] == {"to": "ada"}
    assert "audit.exported" in fourpoint("audit", "--format", "csv").stdout


def test_an_unknown_person_is_told_in_a_sentence(fourpoint):
    assert "no user named 'eve'" in fourpoint("token", "create", "--user", "eve", status=1).output


def test_a_token_is_the_only_thing_on_standard_output(fourpoint, sessions):
    fourpoint("user", "add", "ada")
    secret = fourpoint("token", "create", "--user", "ada", "--scope", "label").stdout.strip()
    caller = caller_of(sessions, secret)
    assert (caller.name, caller.scope) == ("ada", Scope.LABEL)


def test_a_token_is_listed_without_its_secret_and_can_be_revoked(fourpoint, sessions):
    fourpoint("user", "add", "ada")
    secret = fourpoint("token", "create", "--user", "ada", "--note", "export").stdout.strip()
    listed = fourpoint("token", "list", "--user", "ada").stdout
    assert "export" in listed
    assert secret not in listed
    fourpoint("token", "revoke", listed.split()[0])
    assert caller_of(sessions, secret) is None
    assert "revoked" in fourpoint("token", "list", "--user", "ada").stdout


def test_an_unknown_token_is_told_in_a_sentence(fourpoint):
    assert "There is no token" in fourpoint("token", "revoke", str(uuid4()), status=1).output


def test_without_a_stack_the_command_says_what_to_do(tmp_path):
    arguments = ["user", "list", f"--data-directory={tmp_path}"]
    ended = CliRunner().invoke(main, arguments, env={"FOURPOINT_DATABASE_URL": ""})
    assert ended.exit_code == 1
    assert "fourpoint up" in ended.output


def test_a_database_that_is_away_is_told_in_a_sentence():
    address = "postgresql://nobody@127.0.0.1:1/none"
    ended = CliRunner().invoke(main, ["user", "list"], env={"FOURPOINT_DATABASE_URL": address})
    assert ended.exit_code == 1
    assert "did not answer" in ended.output


def test_a_stack_has_one_admin_over_all_its_starts(database_url, tmp_path, sessions):
    first, second = (people.ensure_admin(database_url, tmp_path) for _ in range(2))
    assert first == second
    assert caller_of(sessions, first).acts_as_admin
    assert [user.name for user in people.all_users(database_url)] == ["local", "admin"]


def test_the_token_of_a_stack_is_readable_by_its_user_alone(database_url, tmp_path):
    secret = people.ensure_admin(database_url, tmp_path)
    file = tmp_path / people.ADMIN_TOKEN
    assert file.read_text().strip() == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("spoil", ["revoke", "lose", "scribble"])
def test_a_token_that_is_no_good_is_made_anew(database_url, tmp_path, sessions, spoil):
    secret = people.ensure_admin(database_url, tmp_path)
    file = tmp_path / people.ADMIN_TOKEN
    if spoil == "revoke":
        people.revoke_token(database_url, caller_of(sessions, secret).token_id)
    elif spoil == "lose":
        file.unlink()
    else:
        file.write_text("fpt_scribble\n")
    renewed = people.ensure_admin(database_url, tmp_path)
    assert renewed != secret
    assert caller_of(sessions, renewed).acts_as_admin


def test_a_token_near_its_end_is_made_anew(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(people, "ADMIN_TOKEN_DAYS", 10)
    secret = people.ensure_admin(database_url, tmp_path)
    assert people.ensure_admin(database_url, tmp_path) != secret


@pytest.mark.parametrize("change", [{"is_disabled": True}, {"is_admin": False}])
def test_an_admin_who_was_shut_out_has_no_token_until_let_in_again(database_url, tmp_path, change):
    secret = people.ensure_admin(database_url, tmp_path)
    people.change_user(database_url, people.ADMIN, **change)
    assert people.ensure_admin(database_url, tmp_path) is None
    people.change_user(database_url, people.ADMIN, is_disabled=False, is_admin=True)
    assert people.ensure_admin(database_url, tmp_path) == secret


def test_a_stack_without_its_admin_says_how_to_let_it_in_again(tmp_path):
    stack = Stack(StackOptions(data_directory=tmp_path))
    assert not stack.has_admin
    assert "fourpoint user change admin --admin --enabled" in stack.advice_without_admin
