import torch

from ldm_teach.models.layers import grid_positions, sinusoidal_embedding


def test_embedding_tells_all_timesteps_apart():
    embedding = sinusoidal_embedding(torch.arange(1000), 64)
    assert embedding.shape == (1000, 64)
    distance = torch.cdist(embedding, embedding) + 10 * torch.eye(1000)
    assert distance.min() > 0.1


def test_positions_tell_cells_apart_and_agree_between_resolutions():
    fine, coarse = (grid_positions(n, n, 64, torch.zeros(1)) for n in (8, 4))
    assert fine.shape == (64, 64) and coarse.shape == (16, 64)
    nearness = fine @ fine.T
    assert (nearness.argmax(1) == torch.arange(64)).all()
    middle = fine.reshape(4, 2, 4, 2, 64).mean((1, 3)).flatten(0, 1)  # of the four fine cells in a coarse one
    assert ((middle @ coarse.T).argmax(1) == torch.arange(16)).all()
