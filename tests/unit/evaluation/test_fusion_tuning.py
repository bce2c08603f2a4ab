import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.fusion_tuning import best_trial, iter_trials
from wav2vec2_conformer.evaluation.word_error import WordErrors


def errors(wer: float, cer: float = 0.0) -> WordErrors:
    return WordErrors(wer, cer, 100, 500, 0, 0, 0)


def test_refinements_come_nearer_to_the_best() -> None:
    def measure(alpha: float, beta: float) -> WordErrors:
        return errors((alpha - 0.6) ** 2 + (beta - 1.3) ** 2)

    trials = list(iter_trials(measure, [0.0, 0.5, 1.0], [0.0, 2.0], num_refinements=5))
    best = best_trial(trials)
    assert best.alpha == pytest.approx(0.6, abs=0.05)
    assert best.beta == pytest.approx(1.3, abs=0.1)
    pairs = [(trial.alpha, trial.beta) for trial in trials]
    assert pairs[:6] == [(0, 0), (0, 2), (0.5, 0), (0.5, 2), (1, 0), (1, 2)]
    assert len(set(pairs)) == len(pairs)


def test_alpha_stays_out_of_the_negative() -> None:
    trials = list(iter_trials(lambda alpha, _: errors(alpha), [0.0, 1.0], [0.0]))
    assert min(trial.alpha for trial in trials) == 0
    assert {trial.beta for trial in trials} == {0.0}


def test_without_refinements_the_grid_is_all() -> None:
    trials = list(iter_trials(lambda *_: errors(0), [0.5], [1.0, 2.0], num_refinements=0))
    assert [(trial.alpha, trial.beta) for trial in trials] == [(0.5, 1.0), (0.5, 2.0)]


def test_equal_word_errors_are_decided_by_characters_and_then_the_smaller_alpha() -> None:
    rates = {
        0.0: errors(0.5, 0.1),
        1.0: errors(0.4, 0.3),
        2.0: errors(0.4, 0.2),
        3.0: errors(0.4, 0.2),
    }
    trials = iter_trials(lambda alpha, _: rates[alpha], list(rates), [0.0], num_refinements=0)
    assert best_trial(trials).alpha == 2.0


@pytest.mark.parametrize(
    ("alphas", "betas", "message"),
    [([], [1.0], "a value of alpha"), ([1.0], [], "one of beta"), ([-0.5], [1.0], "negative")],
)
def test_a_grid_that_cannot_be_tried_is_told(
    alphas: list[float], betas: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        list(iter_trials(lambda *_: errors(0), alphas, betas))
