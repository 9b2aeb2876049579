"""Every gradient derived by hand against autograd and central differences, and the checker against broken gradients."""

import ast
import copy
import inspect
import textwrap

import numpy as np
import pytest

from bnstudy.networks import byhand
from bnstudy.networks.byhand import check, losses
from bnstudy.networks.norms.batch import BatchFunction
from bnstudy.networks.norms.layer import LayerFunction

CASES = check.cases()
AUTOGRAD, CENTRAL = 1e-8, 1e-6
MODULES = {name.partition(",")[0]: getattr(byhand, name.partition(",")[0]) for name in CASES if "norm " not in name}


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_by_hand_is_that_of_autograd_and_of_central_differences(name):
    own, oracle, arrays, r = CASES[name]
    found = own(arrays, r)
    right, central = oracle(arrays, r), check.differences(own, arrays, r)
    assert found.keys() == right.keys() == central.keys() | {"output"}
    assert all(found[n].shape == a.shape for n, a in right.items())
    assert check.error(found, right) < AUTOGRAD
    assert check.error(found, central) < CENTRAL


def test_every_module_is_checked():
    modules = {name for name in byhand.__all__ if inspect.isclass(getattr(byhand, name))}
    assert modules - {"Array", "Module", "SGD"} == MODULES.keys()


# the checker must see a wrong sign, whichever it is


def methods():
    """Every backward pass by hand: (its class, its name, names of the cases that run it)."""
    for name, kind in MODULES.items():
        method = "slope" if hasattr(kind, "slope") else "backward"
        yield kind, method, [case for case in CASES if case.partition(",")[0] == name]
    yield BatchFunction, "backward", ["norm batch_manual, 1-D", "norm batch_manual, 2-D"]
    yield LayerFunction, "backward", ["norm layer_manual, 1-D", "norm layer_manual, 2-D"]


def signs(tree: ast.AST) -> list[ast.AST]:
    """Where a sign can be flipped: sums and differences, negations, and whole results."""
    kinds = ast.BinOp, ast.UnaryOp, ast.Return
    return [n for n in ast.walk(tree) if isinstance(n, kinds) and isinstance(getattr(n, "op", ast.Add()), FLIPPED)]


FLIPPED = (ast.Add, ast.Sub, ast.USub)


def flip(node) -> None:
    if isinstance(node, ast.BinOp):
        node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()
    elif isinstance(node.value, ast.Tuple):  # of a Function: the gradient for x comes first
        node.value.elts[0] = ast.UnaryOp(ast.USub(), node.value.elts[0])
    else:
        node.value = ast.UnaryOp(ast.USub(), node.value)


def mutants():
    for kind, method, cases in methods():
        tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(kind, method))))
        for place in range(len(signs(tree))):
            mutant = copy.deepcopy(tree)
            flip(signs(mutant)[place])
            yield pytest.param(kind, method, ast.fix_missing_locations(mutant), cases, id=f"{kind.__name__}-{place}")


@pytest.mark.parametrize(("kind", "method", "mutant", "cases"), list(mutants()))
def test_a_flipped_sign_is_found(kind, method, mutant, cases, monkeypatch):
    scope = dict(vars(inspect.getmodule(kind)))
    exec(compile(mutant, "mutant", "exec"), scope)
    broken = scope[method]
    monkeypatch.setattr(kind, method, broken)
    caught = []
    for own, oracle, arrays, r in (CASES[name] for name in cases):
        try:
            found = own(arrays, r)
            caught.append(
                check.error(found, oracle(arrays, r)) > AUTOGRAD
                and check.error(found, check.differences(own, arrays, r)) > CENTRAL
            )
        except (ValueError, RuntimeError):  # a shape that does not fit
            caught.append(True)
    assert any(caught), ast.unparse(mutant)
    assert all(caught) or kind is byhand.BatchNorm  # whose training and evaluation have a line each


def test_enough_signs_are_flipped():
    assert len(list(mutants())) > 30
    assert losses.CrossEntropy in {m.values[0] for m in mutants()}


def test_the_table_has_a_row_for_every_case(capsys):
    check.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(CASES)
    for line in lines[2:]:
        _, name, autograd, central, _ = (part.strip() for part in line.split("|"))
        assert name in CASES
        assert 0 <= float(autograd) < AUTOGRAD
        assert 0 < float(central) < CENTRAL


@pytest.mark.parametrize("name", [n for n in CASES if "norm " not in n])
def test_float32_stays_float32_and_is_close(name):
    own, _, arrays, r = CASES[name]
    single = own({n: a.astype(np.float32) for n, a in arrays.items()}, r.astype(np.float32))
    if name in ("CrossEntropy", "SoftmaxCrossEntropy"):  # targets are float64 here
        single = {n: a.astype(np.float32) for n, a in single.items()}
    if name.startswith("BatchNorm, evaluation"):  # running averages are float64 here
        single = {n: a.astype(np.float32) for n, a in single.items()}
    assert {a.dtype for a in single.values()} == {np.dtype(np.float32)}
    assert check.error(single, own(arrays, r)) < 2e-5


def test_of_equal_values_in_a_window_the_first_gets_the_gradient():
    pool = byhand.MaxPool2d(2)
    assert pool.forward(np.ones((1, 1, 2, 4))).tolist() == [[[[1, 1]]]]
    assert pool.backward(np.array([[[[5.0, 7.0]]]])).tolist() == [[[[5, 0, 7, 0], [0, 0, 0, 0]]]]
