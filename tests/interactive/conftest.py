import pytest


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab for the tests of a file; only they need what drives a browser."""
    from tests.interactive.browser import Lab

    lab = Lab(tmp_path_factory.mktemp("lab"), dark=True)
    yield lab
    lab.end()


@pytest.fixture
def page(lab):
    """A page in a browser; what runs in its kernels ends with it."""
    from tests.interactive.browser import chromium_page

    try:
        with chromium_page() as page:
            yield page
    finally:
        lab.end_kernels()
