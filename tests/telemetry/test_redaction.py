"""The one redaction of a process: what it is told is in no text any more, however it is spelled."""

import re
import threading

from strongroom.telemetry.redaction import ENDED_MAX, MASK, REGISTERED_MAX, Redaction, is_sensitive


def test_a_value_is_cut_out_in_each_of_its_spellings_and_the_rest_stays():
    redaction = Redaction()
    redaction.register("hunter2!secret")
    text = "a hunter2!secret b 68756e7465723221736563726574 c aHVudGVyMiFzZWNyZXQ= d\n"
    assert redaction.hidden(text) == f"a {MASK} b {MASK} c {MASK}= d\n"
    assert redaction.text(text).endswith("d\\n"), "on one line"


def test_credentials_in_a_configuration_are_learned_and_names_of_secrets_are_not():
    redaction = Redaction()
    section = {
        "api_token": "word-of-token",
        "token_file": "/etc/token",
        "secrets": ["API_KEY"],
        "inner": [{"password": "word-of-pass"}],
        "size": "large-size",
    }
    redaction.register_section(section)
    told = "word-of-token /etc/token API_KEY word-of-pass large-size"
    assert redaction.hidden(told) == f"{MASK} /etc/token API_KEY {MASK} large-size"


def test_beyond_the_limit_the_oldest_value_makes_room_for_the_one_in_use():
    redaction = Redaction()
    for number in range(REGISTERED_MAX):
        redaction._values[b"%d" % number] = frozenset({f"filler-{number}"})
    redaction.register("newest-value")
    assert redaction.hidden("newest-value") == MASK
    assert redaction.hidden("filler-0") == "filler-0"
    assert redaction.hidden("filler-1") == MASK


def test_a_value_that_is_registered_again_is_not_the_oldest_any_more():
    redaction = Redaction()
    redaction.register("first-value")
    for number in range(REGISTERED_MAX - 1):
        redaction._values[b"%d" % number] = frozenset({f"filler-{number}"})
    redaction.register("first-value")
    redaction.register("one-more-value")
    assert redaction.hidden("first-value") == MASK


def test_what_ended_is_hidden_for_a_while_and_then_costs_nothing():
    redaction = Redaction()
    redaction.register("password-of-the-database")
    for number in range(REGISTERED_MAX + 10):
        redaction.register(f"token-of-life-{number:04}")
        redaction.let_go(f"token-of-life-{number:04}")
        redaction.let_go(f"token-of-life-{number:04}")
    newest, oldest_kept = f"token-of-life-{number:04}", f"token-of-life-{number + 1 - ENDED_MAX:04}"
    dropped = f"token-of-life-{number - ENDED_MAX:04}"
    assert redaction.hidden(f"{newest} {oldest_kept} {dropped}") == f"{MASK} {MASK} {dropped}"
    assert redaction.hidden("password-of-the-database") == MASK
    assert repr(redaction) == f"<Redaction of {ENDED_MAX + 1} values>"


def test_what_ended_and_is_in_use_again_stays_hidden():
    redaction = Redaction()
    redaction.register("came-again")
    redaction.let_go("came-again")
    redaction.register("came-again")
    for number in range(ENDED_MAX + 1):
        redaction.register(f"other-{number}")
        redaction.let_go(f"other-{number}")
    redaction.let_go("never-registered")
    assert redaction.hidden("came-again") == MASK


def test_no_secret_stays_in_what_the_library_keeps_of_patterns():
    Redaction().register("kept-by-nobody")
    assert not [key for key in re._cache if "kept" in str(key)]


def test_threads_may_register_while_others_write():
    redaction = Redaction()

    def work(name):
        for number in range(20):
            redaction.register(f"{name}-{number}-value")
            assert redaction.hidden(f"{name}-{number}-value") == MASK

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redaction.hidden("a-0-value d-19-value") == f"{MASK} {MASK}"


def test_a_name_that_is_about_the_thing_is_not_the_thing():
    assert is_sensitive("api_token")
    assert is_sensitive("Authorization")
    assert not is_sensitive("token_file")
    assert not is_sensitive("secret_name")
    assert not is_sensitive("tokenizer")
