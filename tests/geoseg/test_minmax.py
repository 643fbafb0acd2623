import torch

from geoseg.minmax import MinMaxEvidence


class Faint:
    members, channels = 2, ("map",)

    def screen(self, windows):
        return torch.full((len(windows), 2), 0.25)

    def maps(self, windows):
        return windows[:, :1].float() / 2550


def test_every_window_reaches_zero_and_one_however_faint():
    windows = torch.tensor([[[[10, 20], [30, 50]]], [[[7, 7], [7, 7]]]], dtype=torch.uint8)
    own = MinMaxEvidence(Faint())
    torch.testing.assert_close(own.maps(windows)[0, 0], torch.tensor([[0, 0.25], [0.5, 1]]))
    assert (own.maps(windows)[1] == 0).all()
    assert (own.members, own.channels) == (2, ("map",))
    assert (own.screen(windows) == 0.25).all()
