from .compare import compare_valence as compare_valence
from .comparison import Comparison as Comparison
from .picture import plot_comparison as plot_comparison
from .statistics import Means as Means
from .statistics import combine_means as combine_means
from .statistics import smallest_seen as smallest_seen
