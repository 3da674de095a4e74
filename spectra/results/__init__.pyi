from .store import load as load
from .store import save as save
