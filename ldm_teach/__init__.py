"""ldm_teach: latent diffusion, to be understood. The names a learner types; the rest is on the floors below.

`__init__.pyi` says which they are, for editors, type checkers and this module alike: each is imported when it is first
used, so that `import ldm_teach` costs little more than `import torch`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
