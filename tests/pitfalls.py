"""What the notebooks say commonly goes wrong, and the exercise that names it: `PITFALLS`.

By the number of a notebook, each pitfall in the words of its text, and the exercise and the slip that diagnose it. A
pitfall that no answer to an exercise can have is a word on why.
"""

PITFALLS: dict[str, dict[str, tuple[str, str] | str]] = {
    "00": {
        "$s$ taken for $w$": ("guided_prediction", "w is taken for s = 1 + w"),
    },
    "01": {
        "Weight per image or per element": ("collapse_weight", "this is the weight per image; per element"),
        "Posterior collapse": "a weight that is too large: collapse_weight asks for it",
        "$\\sigma^2$ in the place of $\\sigma$": ("latent_sample", "the noise is multiplied by the variance"),
        "A prior that decodes to noise": "no mistake, the text says: what the second stage is for",
        "The checkerboard": "of a layer that the exercises do not ask for; shown",
    },
    "02": {
        "No straight-through copy": ("round_through", "no gradient reaches z"),
        "No commitment": ("codebook_terms", "the commitment is missing"),
        "Channels not moved last": ("round_through", "a row mixes several positions"),
    },
    "03": {
        "$\\delta$ where $\\sqrt\\delta$ belongs": (
            "langevin_step",
            "the noise is scaled with delta, want sqrt(delta)",
        ),
        "A trace of a refused proposal": ("mended_mala", "after a refusal it still keeps the score"),
        "Two islands": ("annealed_walk", "the step is the same at every level"),
    },
    "04": {
        "A loss that does not fall": ("mended_loss", "the noise that is added is still not the noise"),
        "A step that is too long": "a setting, no code: shown with its limit, which notebook 03 asks for",
        "Forgetting which density was learned": ("loss_floor", "this is the variance of x0 given x"),
    },
    "05": {
        "Noise on the last step": "shown; the package's samplers end without it",
        "The last step is not pure noise": "of a schedule, no code: shown for three of them",
        "$\\alpha$ for $\\bar\\alpha$": ("posterior_mean", "alpha for alpha_bar"),
    },
    "06": {
        "Steps counted, not calls": "of a comparison, no code: shown",
        "$\\alpha$ for $\\bar\\alpha$, and time turned round": (
            "ddim_step",
            "in x0 stands alpha = alpha_bar / alpha_bar_s",
        ),
    },
    "07": {
        "The sign": ("guided_v", "the sign is wrong"),
        "The root": ("guided_v", "the factor sqrt(1 - alpha_bar) is missing"),
        "The weights": ("slope_between", "the gradient for equal weights"),
        "A small error at the noisiest step": "of a schedule, no code: shown beside its control",
        "One label for each sample": ("guided_for_labels", "[:, labels] takes every label for every row"),
    },
    "08": {
        "To believe a classifier where it has no data": "of a scale, no code: shown with a distance",
        "A gradient that fades with the size of the batch": (
            "mended_guidance",
            "the gradient is still divided by the number of rows",
        ),
    },
    "09": {
        "$s$ read as $w$": ("guided_noise", "that is the rule with w"),
        "Condition and null token swapped": ("guided_noise", "the condition and the null condition are swapped"),
        "A null token that was never trained": ("mended_labels", "becomes 0, which is a class"),
    },
    "10": {
        "The average remembers its random start": ("mended_loop", "the average remembers its random start"),
        "The scale is forgotten": "of data, no code: swept in the table of c",
        "Both ends of a branch start at zero": ("gated_block", "gate and branch are both zero"),
        "The network is told a wrong time": ("told_time", "here the noise is that of 300 + offset"),
        "Losses at different scales are compared": "of a comparison, no code: the table of c",
        "Decay and average are one line each": ("mended_loop", "the loop is as it was"),
    },
    "11": {
        "A vocabulary that is off by one": ("mended_numbers", "still has the number 0"),
        "padding that is masked after the softmax": ("masked_lookup", "the weights left do not sum to 1"),
        "positions that begin too small": ("positions_scale", "hardly a difference"),
        "An unknown word": "refused with an error",
        "Too much guidance": "of a weight, no code: shown at w = 30",
        "Positions that are all alike": ("angle_encoder", "all angles have the same tokens"),
    },
    "12": {
        "Rows and columns exchanged": ("mended_tokens", "the squares still go column by column"),
        "A condition of another size": "refused with an error",
    },
    "13": {
        "A rank that is never 0": ("mended_ranks", "counts as nearer than itself"),
        "Words that are not there": "of a vocabulary, no code: shown with the answer it gets",
        "Words that mean something else": "of the data, no code: shown",
    },
    "14": {
        "A second look that moves on": ("mended_inversion", "a later look still moves on"),
        "A mask that loses pixels": ("mended_latent_mask", "still only one pixel in 16"),
        "A mask upside down": ("keeping", "the mask is upside down"),
        "Guidance inverted": "of a weight, no code: shown",
    },
    "15": {
        "A straight line between two noises": ("mended_walk", "too small: the root of its mean square is 0.7"),
        "The first step of Heun": "of a setting, no code: shown with its number",
        "One picture taken for a law": "of a judgement, no code: shown with its error",
    },
}

TERMS = (
    "adversarial examples",
    "the smallest weight among",
    "The sign, the root",
)  # bold, or a heading, but no pitfall
