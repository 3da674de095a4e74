from .store import load as load
from .store import load_all as load_all
from .store import save as save
