"""Relations and catalogue caches where the server's code would go wrong without a word: the host says what is amiss."""


def said(space, action, words="flag"):
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "probe_catalog",
                                                   "probe_catalog.workers": f"w {action} {words}"}).start()
    host.log.wait_for(r"probe: done")
    host.stop()
    lines = [text.removeprefix("probe: ") for _, text in host.log.of("w")]
    return lines[:lines.index("done") + 1]


def test_without_connection(space):
    """A worker that has never connected cannot look at anything."""
    lines = said(space, "nowhere")
    for line, name in zip(lines, ("RelationIdGetRelation", "RelationIdGetRelation", "SearchSysCache", "SearchSysCache")):
        assert line.endswith(f": 0A000 {name} needs a database session, which this process does not have"), line
    assert lines[4:] == ["key: 184", "done"]


def test_outside(space):
    """Outside a transaction nothing is looked up; a catalogue is not written to; a view is not scanned; wrong caches have a name."""
    lines = said(space, "outside")
    for line, name in zip(lines, ("RelationIdGetRelation", "RelationIdGetRelation", "SearchSysCache", "SearchSysCache")):
        assert line.endswith(f": 25P01 {name} needs a transaction"), line
    assert lines[4:] == [
        "key: 184",
        'size: 0A000 "relation_size" of a table\'s access method is not available outside the server',
        'insert: 0A000 function "simple_heap_insert" is not available outside the server',
        'view: 42809 "pg_roles" is not a table that can be scanned',
        "cache: XX000 invalid cache ID: 1000",
        "keys: XX000 cache 21 has 1 keys, not 2",
        "closed twice: XX000 relcache reference pg_database is not owned by resource owner TopTransaction",
        "done"]
