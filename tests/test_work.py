import gc

from work import calls


def test_a_collection_of_garbage_is_no_work():
    """Test tools hang callbacks on the collector, and it starts at any moment: no count may depend on it."""
    started = []
    callback = lambda *_: started.append(1)  # noqa: E731
    gc.callbacks.append(callback)
    try:
        counted = calls(lambda: [[] for _ in range(100_000)])
        assert not started
        assert "<listcomp>" in counted or counted["<lambda>"] == 1
    finally:
        gc.callbacks.remove(callback)
    assert gc.isenabled()
