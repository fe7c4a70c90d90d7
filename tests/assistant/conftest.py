import pytest

from mlelab import llm


@pytest.fixture(scope="session")
def model():
    return llm.load()
