"""What a token allows may change while its device is connected."""

from tests.fakes.relay_rig import RelayRig, append, connected, new_documents, until, values, write_tokens


def test_a_device_that_may_write_from_now_on_sends_what_was_refused_before(tmp_path):
    with RelayRig(tmp_path, tokens={"one": ("alice", "ro"), "two": ("alice", "rw")}) as rig:
        reader, writer = new_documents(2)
        client = rig.client(reader, "reader", token="one")
        connected(client, rig.client(writer, "writer", token="two"))
        append(reader, "refused at first")
        until(lambda: "SR-SYNC-017" in client.problem, "a refusal that is shown")
        write_tokens(rig.tokens_file, {"one": ("alice", "rw"), "two": ("alice", "rw")})
        until(lambda: values(writer) == ["refused at first"], "what was refused")
        until(lambda: client.problem == "", "the end of the problem")
        append(reader, "and this")
        until(lambda: values(writer) == ["refused at first", "and this"])
