"""Search for the weights of a language model that make the fewest errors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.word_error import WordErrors


@dataclass(frozen=True, slots=True)
class Trial:
    """Error rates with one pair of weights.

    Attributes:
        alpha: Weight of the language model's log-probabilities.
        beta: Added for each word.
        errors: Over all utterances.
    """

    alpha: float
    beta: float
    errors: WordErrors


def iter_trials(
    measure: Callable[[float, float], WordErrors],
    alphas: Sequence[float],
    betas: Sequence[float],
    *,
    num_refinements: int = 2,
) -> Iterator[Trial]:
    """Try a grid of weights, then the neighbours of the best, nearer with each refinement.

    Args:
        measure: Returns the errors with alpha and beta.
        alphas: Values to try, not negative.
        betas: Values to try.
        num_refinements: How often the step of the grid is halved and the 8 neighbours of the
            best so far are tried.

    Yields:
        Each trial when it is done; no pair twice. `best_trial` finds the best of them.

    Raises:
        InputError: There is nothing to try, or an alpha is negative.
    """
    if not alphas or not betas:
        raise InputError("there must be a value of alpha and one of beta to try.")
    if min(alphas) < 0:
        raise InputError(f"alpha must not be negative, but {min(alphas):g} is to be tried.")
    done: dict[tuple[float, float], Trial] = {}

    def attempt(alpha: float, beta: float) -> Iterator[Trial]:
        pair = (round(alpha, 4), round(beta, 4))
        if alpha >= 0 and pair not in done:
            done[pair] = Trial(*pair, measure(*pair))
            yield done[pair]

    for alpha in alphas:
        for beta in betas:
            yield from attempt(alpha, beta)
    alpha_step, beta_step = _step(alphas), _step(betas)
    for _ in range(num_refinements):
        alpha_step, beta_step = alpha_step / 2, beta_step / 2
        best = best_trial(done.values())
        for alpha in (best.alpha - alpha_step, best.alpha, best.alpha + alpha_step):
            for beta in (best.beta - beta_step, best.beta, best.beta + beta_step):
                yield from attempt(alpha, beta)


def best_trial(trials: Iterable[Trial]) -> Trial:
    """Return the trial with the lowest word error rate.

    Of those, the one with the lowest character error rate; of those, the smallest alpha.
    """
    return min(trials, key=lambda trial: (trial.errors.wer, trial.errors.cer, trial.alpha))


def _step(values: Sequence[float]) -> float:
    """Return the largest distance of neighbours, so that refinements reach all between."""
    ordered = sorted(set(values))
    return max((b - a for a, b in pairwise(ordered)), default=0.0)
