"""python -m tests.planted_bugs [WORDS]: plant one bug at a time in a copy of the package and see a test fail by name.

Each entry: what is wrong, the file, the right code, the wrong code, and the test that must notice. A bug that no test
notices, or whose right code is no longer in the file, ends the run with status 1. With words, only the bugs whose name
or file has one of them.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]

BUGS = [
    ("sign of the drift", "theory/langevin.py", "x + delta / 2 * drift", "x - delta / 2 * drift",
     "theory/test_langevin.py::test_a_langevin_step_equals_blackjax"),
    ("missing 1/2 in the drift", "theory/langevin.py", "x + delta / 2 * drift", "x + delta * drift",
     "theory/test_langevin.py::test_the_stationary_variance_is_that_of_the_finite_step"),
    ("delta for sqrt(delta)", "theory/langevin.py", "drift + delta**0.5 *", "drift + delta *",
     "theory/test_langevin.py::test_the_stationary_variance_is_that_of_the_finite_step"),
    ("MALA without the proposal's ratio", "theory/langevin.py", "log_p_y + log_q(x, mean_y) - log_p - log_q(y, mean)",
     "log_p_y - log_p", "theory/test_langevin.py::test_mala_started_from_the_target_stays_there"),
    ("the ladder's step without its square", "theory/langevin.py", "(sigma / sigmas[-1]) ** 2", "sigma / sigmas[-1]",
     "theory/test_langevin.py::test_annealed_langevin_on_a_gaussian_is_its_closed_form"),
    ("sign of the score", "theory/parameterization.py", "return -eps / noise", "return eps / noise",
     "theory/test_parameterization.py::test_score_is_the_gradient_of_the_log_density"),
    ("score without the square root", "theory/parameterization.py", "return -eps / noise",
     "return -eps / noise / noise",
     "theory/test_parameterization.py::test_score_is_the_gradient_of_the_log_density"),
    ("sign of the noise in v", "theory/parameterization.py", "return signal * v + noise * x_t",
     "return signal * v - noise * x_t", "theory/test_parameterization.py::test_each_conversion_gives_the_truth"),
    ("the velocity turned round", "theory/flow.py", "return (x_t + signal * u) / (signal + noise)\n",
     "return (x_t - signal * u) / (signal + noise)\n",
     "theory/test_flow.py::test_the_velocity_from_each_name_and_each_name_from_the_velocity"),
    ("variance for amplitude in add_noise", "theory/schedule.py", "(1 - alpha_bar).sqrt().to(x0.dtype)",
     "(1 - alpha_bar).to(x0.dtype)", "theory/test_schedule.py::test_add_noise_mixes_signal_and_noise_by_alpha_bar"),
    ("off-by-one in t", "theory/schedule.py", "self.num_steps / n) - 1", "self.num_steps / n) - (i > 0)",
     "theory/test_schedule.py::test_trailing_timesteps"),
    ("alpha for alpha_bar in the posterior mean", "theory/samplers.py", "alpha_bar_s**0.5 * beta", "alpha**0.5 * beta",
     "theory/test_samplers.py::test_ddpm_equals_diffusers"),
    ("doubled noise", "theory/samplers.py",
     "** 0.5 * draw_like(x, generator)\n        yield Step(t, x, x0)\n\n\ndef ddim",
     "** 0.5 * 2 * draw_like(x, generator)\n        yield Step(t, x, x0)\n\n\ndef ddim",
     "theory/test_samplers.py::test_ddpm_variance_on_a_gaussian_is_its_closed_form"),
    ("eta's variance not taken from the direction", "theory/samplers.py", "(1 - alpha_bar_s - variance) ** 0.5",
     "(1 - alpha_bar_s) ** 0.5", "theory/test_samplers.py::test_eta_one_is_ddpm_with_the_small_variance"),
    ("Heun without the mean", "theory/samplers.py", "(eps + eps_s) / 2", "(eps + eps_s)",
     "theory/test_samplers.py::test_the_order_of_convergence_on_the_linear_schedule"),
    ("the multistep ratio upside down", "theory/samplers.py", "h / (2 * h_before)", "h_before / (2 * h)",
     "theory/test_samplers.py::test_dpm_solver_equals_diffusers"),
    ("the corrector at the old noise level", "theory/samplers.py", "step_ratio * (1 - alpha_bar_s)\n",
     "step_ratio * (1 - alpha_bar)\n",
     "theory/test_samplers.py::test_predictor_corrector_variance_on_a_gaussian_is_its_closed_form"),
    ("alpha_bar for its root in the mixture", "theory/mixture.py", "alpha_bar**0.5 * self.means",
     "alpha_bar * self.means",
     "theory/test_mixture.py::test_diffused_density_equals_numerical_convolution"),
    ("x_0 clipped on one side", "theory/guidance.py", "x0.clamp(low, high)", "x0.clamp(max=high)",
     "theory/test_guidance.py::test_clipping_changes_what_lies_outside_the_range_and_nothing_else"),
    ("an interval without its first step", "models/latent_diffusion.py", "(first <= t) &", "(first < t) &",
     "models/test_latent_diffusion.py::test_guidance_on_an_interval_is_the_law_and_costs_one_branch_outside"),
    ("an interval of the first row alone", "models/latent_diffusion.py", "not inside.any()", "not inside[0].any()",
     "models/test_latent_diffusion.py::test_guidance_on_an_interval_is_the_law_and_costs_one_branch_outside"),
    ("each process draws for itself", "training/loop.py", "generator if count == 1 else Share(generator, index, count)",
     "generator", "training/test_loop.py::test_two_processes_train_as_one_does"),
    ("every share takes the first rows", "theory/tensors.py", "[generator.index * rows :]", "[0:]",
     "theory/test_tensors.py::test_shares_draw_together_what_the_batch_draws"),
    ("parts of a batch summed, not averaged", "training/loop.py", "accelerator.backward(value / parts)",
     "accelerator.backward(value)",
     "training/test_loop.py::test_the_gradients_of_the_parts_add_up_to_that_of_the_batch"),
    ("condition and null swapped", "theory/guidance.py", "(1 + w) * eps_cond - w * eps_uncond",
     "(1 + w) * eps_uncond - w * eps_cond",
     "theory/test_guidance.py::test_limits_are_the_conditional_and_the_unconditional_prediction"),
    ("w = s + 1", "theory/guidance.py", "(\"s\", s) - 1", "(\"s\", s) + 1",
     "theory/test_guidance.py::test_both_conventions_are_one_rule"),
    ("sign of the classifier's gradient", "theory/guidance.py", "over_rows(\"scale\", scale, x_t) * gradient",
     "-over_rows(\"scale\", scale, x_t) * gradient",
     "theory/test_guidance.py::test_scale_one_makes_the_unconditional_denoiser_conditional"),
    ("the forgotten sqrt(1 - alpha_bar)", "theory/guidance.py", "eps_from_score(push, schedule.at(t, x_t))", "-push",
     "theory/test_guidance.py::test_scale_one_makes_the_unconditional_denoiser_conditional"),
    ("s for w in guide", "theory/guidance.py", "return (1 + w) * eps_cond - w * eps_uncond",
     "return w * eps_cond - (w - 1) * eps_uncond", "theory/test_guidance.py::test_both_conventions_are_one_rule"),
    ("s = w", "theory/guidance.py", "return 1 + checks", "return checks",
     "theory/test_guidance.py::test_both_conventions_are_one_rule"),
    ("gradient at the mean of x_0", "theory/guidance.py", "gradient(log_prob, x_t, t)",
     "gradient(log_prob, schedule.at(t, x_t).sqrt() * x_t, t)",
     "theory/test_guidance.py::test_the_gradient_is_taken_at_x_t"),
    ("the gradient of p for that of log p", "theory/guidance.py", "autograd.grad(value.sum(), x)",
     "autograd.grad(value.exp().sum(), x)",
     "theory/test_guidance.py::test_classifier_free_guidance_is_classifier_guidance_twice_over"),
    ("the gradient of the batch's mean", "theory/guidance.py", "autograd.grad(value.sum(), x)",
     "autograd.grad(value.mean(), x)",
     "theory/test_guidance.py::test_scale_one_makes_the_unconditional_denoiser_conditional"),
    ("the denoisers of classifier-free guidance swapped", "theory/guidance.py",
     "guide(conditional(x_t, t), unconditional(x_t, t), w)", "guide(unconditional(x_t, t), conditional(x_t, t), w)",
     "theory/test_guidance.py::test_exact_scores_give_classifier_guidance_of_the_conditional_score"),
    ("a composed condition that forgets its 1", "theory/guidance.py", "guide(conditional(x_t, t), eps, w) - eps",
     "guide(conditional(x_t, t), eps, w - 1) - eps",
     "theory/test_guidance.py::test_two_independent_conditions_compose"),
    ("the interval without its end", "theory/guidance.py", "(t <= last)", "(t < last)",
     "theory/test_guidance.py::test_the_interval_holds_its_ends_and_nothing_else"),
    ("the ratio of rescaling upside down", "theory/guidance.py",
     "v_cond.flatten(1).std(1) / v_guided.flatten(1).std(1)",
     "v_guided.flatten(1).std(1) / v_cond.flatten(1).std(1)",
     "theory/test_guidance.py::test_rescaled_guidance_equals_diffusers"),
    ("a corrector that follows the predictor", "theory/samplers.py", "denoiser if corrector is None else",
     "denoiser if True else",
     "theory/test_guidance.py::test_guided_ddpm_is_predictor_corrector_guidance_with_twice_the_weight"),
    ("logits for log-probabilities", "models/classifier.py", "self(z_t, t).log_softmax(dim=1).gather",
     "self(z_t, t).gather", "models/test_classifier.py::test_log_prob_is_that_of_the_wanted_class_and_sums_to_one"),
    ("logits that do not fade with the signal", "models/classifier.py", "return signal * self.head", "return self.head",
     "models/test_classifier.py::test_logits_and_gradients_fade_with_the_signal"),
    ("a point is its own nearest neighbour", "measuring/metrics.py", "kthvalue(k + 1, dim=1)", "kthvalue(k, dim=1)",
     "measuring/test_metrics.py::test_nearest_distance_counts_other_points_only"),
    ("precision and recall swapped", "measuring/metrics.py",
     "return precision, covered(real, fake, nearest_distance(fake, k))",
     "return covered(real, fake, nearest_distance(fake, k)), precision",
     "measuring/test_metrics.py::test_precision_and_recall_equal_their_definition"),
    ("missing 1/2 in the KL", "models/autoencoder.py", "self.std.square() - 1) / 2", "self.std.square() - 1)",
     "models/test_autoencoder.py::test_kl_equals_torch_distributions"),
    ("the two branches in the wrong order", "models/latent_diffusion.py", "eps_cond, eps_uncond = arrow",
     "eps_uncond, eps_cond = arrow",
     "models/test_latent_diffusion.py::test_one_call_on_both_branches_is_guidance_of_two_denoisers"),
    ("Fréchet distance without its 2", "measuring/metrics.py", "- 2 * root", "- root",
     "measuring/test_metrics.py::test_frechet_distance_of_known_gaussians"),
    ("the farthest code", "models/vector_quantization.py", "self.codebook).argmin", "self.codebook).argmax",
     "models/test_vector_quantization.py::test_codes_are_the_nearest_ones"),
    ("a straight-through gradient at the code alone", "models/vector_quantization.py", "z + (quantized - z).detach()",
     "quantized", "models/test_vector_quantization.py::test_the_gradient_goes_straight_through"),
    ("codes and latents swapped in the commitment", "training/losses.py",
     "F.mse_loss(codes.quantized, codes.z.detach()) + commitment * F.mse_loss(codes.z, codes.quantized.detach())",
     "commitment * F.mse_loss(codes.quantized, codes.z.detach()) + F.mse_loss(codes.z, codes.quantized.detach())",
     "training/test_losses.py::test_codebook_loss_moves_codes_and_holds_latents"),
    ("nats an element for nats an image", "training/losses.py", "flatten(1).sum(1).mean()", "flatten(1).mean(1).mean()",
     "training/test_losses.py::test_the_two_conventions_of_the_kl_penalty"),
    ("sign of the hinge", "training/losses.py", "F.relu(1 + fake)", "F.relu(1 - fake)",
     "training/test_losses.py::test_hinge_loss_is_zero_past_the_margins"),
    ("the adaptive weight upside down", "training/losses.py", "pulls[0] / (pulls[1] + 1e-4)",
     "pulls[1] / (pulls[0] + 1e-4)", "training/test_losses.py::test_adaptive_weight_makes_two_pulls_equal"),
    ("a critic that learns from the autoencoder's loss", "models/critic.py", "parameter.detach() for name",
     "parameter for name",
     "training/test_losses.py::test_the_critic_and_the_autoencoder_have_gradients_of_their_own_loss_only"),
    ("a critic whose gradient reaches the decoder", "models/critic.py", "[reconstruction.detach(), x]",
     "[reconstruction, x]",
     "training/test_losses.py::test_the_critic_and_the_autoencoder_have_gradients_of_their_own_loss_only"),
    ("entropy in the place of perplexity", "measuring/metrics.py", ".sum().exp())", ".sum())",
     "measuring/test_metrics.py::test_codebook_use_and_perplexity"),
    ("words without their order", "models/conditioning.py", "self.words(numbers) + self.positions",
     "self.words(numbers)",
     "models/test_conditioning.py::test_the_order_of_words_matters_and_padding_does_not_hide_it"),
    ("weights without sqrt(d)", "models/attention.py", "k.transpose(-1, -2) / q.shape[-1] ** 0.5",
     "k.transpose(-1, -2)",
     "models/test_attention.py::test_the_weights_are_those_that_the_output_is_made_with"),
    ("tokens that do not cover the latent", "models/conditioning.py", "-side % (2 * patch)", "-side % patch",
     "training/recipes/test_conditioned.py::test_attention_and_concatenation_are_of_one_size_within_5_percent"),
    ("a scene told again with the old relation", "data/shapes.py",
     "scene_of(*rng.sample(scene.items, len(scene.items)))",
     "Scene(tuple(rng.sample(scene.items, len(scene.items))), scene.relation)",
     "data/test_shapes.py::test_a_scene_told_again_is_the_same_scene_in_other_words"),
    ("the relation of the second to the first", "data/captions.py", "(a - b for a, b in zip(first.centre",
     "(b - a for a, b in zip(first.centre", "data/test_shapes.py::test_captions_are_true_of_the_centres"),
    ("intersection over one of the two", "measuring/adherence.py",
     "pairs.sum(0) + pairs.sum(1) - pairs.diagonal()", "pairs.sum(0)",
     "measuring/test_adherence.py::test_mean_iou_equals_counting_by_sets"),
    ("the null of two conditions counted twice", "theory/guidance.py", "conditional(x_t, t), eps, w) - eps for",
     "conditional(x_t, t), eps, w) for", "theory/test_guidance.py::test_two_independent_conditions_compose"),
    ("betas that do not follow T", "theory/schedule.py", "1000 / num_steps * default for", "default for",
     "theory/test_schedule.py::test_a_walk_of_any_length_begins_in_noise"),
    ("minus one as the noisiest step", "theory/schedule.py", "table[t.to(x.device) + 1]", "table[1:][t.to(x.device)]",
     "theory/test_schedule.py::test_minus_one_is_clean_data_as_in_a_walk"),
    ("the error of a share that is 0 at its ends", "measuring/statistics.py", "p = (n * p + 2) / (n + 4)", "p = p",
     "measuring/test_statistics.py::test_the_error_of_a_share_is_about_the_binomial_and_never_zero"),
    ("a name on the disk before its content", "files.py", "        flush(part)\n", "",
     "test_files.py::test_content_is_on_the_disk_before_its_name_and_its_name_before_anything_follows"),
    ("a loss that is not finite, passed on", "training/loop.py", "if not math.isfinite(float(value.detach())):",
     "if False:", "training/test_loop.py::test_a_loss_that_is_not_finite_ends_the_training_before_it_does_harm"),
    ("a configuration outside the checksum", "models/checkpoint.py", 'if key != "checksum"}',
     'if key not in ("checksum", "config")}',
     "models/test_checkpoint.py::test_a_changed_configuration_is_noticed_though_every_weight_fits"),
    ("one generator of the list for every row", "theory/tensors.py", "like, one) for one in generator",
     "like, generator[0]) for one in generator",
     "theory/test_tensors.py::test_of_a_list_of_generators_each_draws_its_row_as_it_would_alone"),
    ("a stochastic sampler that draws for the whole batch", "theory/samplers.py",
     "** 0.5 * draw_like(x, generator)\n        yield Step(t, x, x0)\n\n\ndef ddim",
     "** 0.5 * draw_like(x, generator[0] if isinstance(generator, list) else generator)\n"
     "        yield Step(t, x, x0)\n\n\ndef ddim",
     "theory/test_samplers.py::test_with_a_generator_for_each_sample_one_is_what_it_would_be_alone"),
    ("noise in the precision of the model", "models/latent_diffusion.py", "self.latent_mean.float(), generator)",
     "self.latent_mean, generator)",
     "models/test_latent_diffusion.py::test_a_seed_gives_the_same_noise_in_every_precision"),
    ("a panel with noise of its own", "interactive/panel.py", "self.model.noise(self.count, generator)",
     "self.model.noise(self.count + 1, generator)[1:]",
     "interactive/test_panel.py::test_a_panel_shows_what_sample_draws_in_every_precision"),
    ("x_T that is given and not taken", "models/latent_diffusion.py", "if x_T is None:", "if True:",
     "models/test_latent_diffusion.py::test_the_same_noise_can_be_given"),
    ("a reference that is not a copy", "measuring/judge.py", "tensor.clone() for tensor in", "tensor for tensor in",
     "measuring/test_judge.py::test_what_is_done_to_a_reference_does_not_reach_the_next_one"),
    ("nan as a number", "checks.py", "abs(cast(float, value)) <= sys.float_info.max", "True",
     "test_wrong_arguments.py::test_every_wrong_argument_is_refused_by_name"),
    ("two dtypes as one", "checks.py", "{(x.dtype, x.device) for x in", "{x.device for x in",
     "test_wrong_arguments.py::test_every_wrong_argument_is_refused_by_name"),
    ("a flag of any kind", "checks.py", "if not isinstance(value, bool):", "if False:",
     "test_wrong_arguments.py::test_every_wrong_argument_is_refused_by_name"),
    ("a case that answers may change", "interactive/judges.py", "[value.clone() for value in case.values()]",
     "list(case.values())",
     "interactive/test_judges.py::test_right_answers_of_any_make_are_accepted_again_and_again"),
    ("a panel that its sliders keep", "interactive/panel.py", "weakly(self._changed)", "self._changed",
     "interactive/test_panel.py::test_a_panel_that_is_dropped_is_freed_with_its_model_and_its_widgets"),
    ("a Stop that training takes for itself", "training/state.py", "if signal.getsignal(number) in own", "if own",
     "interactive/test_live.py::test_stop_within_a_step_of_fit_is_left_to_the_notebook"),
    ("one factor of one case", "interactive/judges.py", "if torch.allclose(a, factor * b, rtol=1e-4, atol=1e-5):",
     "if factor:", "interactive/test_judges.py::test_wrong_answers_are_told_apart"),
]  # fmt: skip


def fails(file: str, right: str, wrong: str, test: str) -> str:
    """Plant the bug in a copy, run the test there, and return the line that names the failure, or "" where none."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("ldm_teach", "tests", "pyproject.toml"):
            source = ROOT / name
            shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy)
        (copy / "data").symlink_to(ROOT / "data")
        path = copy / "ldm_teach" / file
        text = path.read_text()
        if text.count(right) != 1:
            sys.exit(f"{file} holds {right!r} {text.count(right)} times; want once")
        path.write_text(text.replace(right, wrong))
        module, name = test.split("::")
        command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{module}", "-k", name]
        done = subprocess.run([sys.executable, *command], cwd=copy, capture_output=True, text=True)
        return next((line for line in done.stdout.splitlines() if line.startswith("FAILED")), "")


if __name__ == "__main__":
    missed = 0
    words = sys.argv[1:] or [""]
    for name, file, right, wrong, test in BUGS:
        if not any(word in name or word in file for word in words):
            continue
        line = fails(file, right, wrong, test)
        missed += not line
        print(f"{name:44} {line.removeprefix('FAILED tests/').split(' - ')[0] or 'NOT NOTICED'}", flush=True)
    sys.exit(missed > 0)
