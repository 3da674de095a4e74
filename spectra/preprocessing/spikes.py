"""Cosmic rays, compiled: runs of a few points far above the smooth curve on which the points to both sides lie."""

from __future__ import annotations

import math

import numpy as np

from spectra.preprocessing.compiled import entry_point, kernel

__all__ = ["BESIDE", "LONGEST", "find_runs", "references"]

#: Points to each side of a run that predict it, by a cubic through all of them.
BESIDE = 4
#: Longest run of points.
LONGEST = 8
#: The scatter about the cubic counts so many times, by length of run: what a real line of 2.5 to 4 points full width
#: leaves beside itself is then more than it stands out by.
CAUTION = (0.0, 1.25, 1.6, 2.2, 2.8, 3.5, 4.0, 5.0, 6.0)
#: Points per block that the noise is taken from; the largest of three neighbouring blocks counts.
BLOCK = 32
#: Once spikes are taken out, smaller ones beside them may be seen.
PASSES = 3
#: Part of the threshold from which on a point is looked at closely.
SUSPICIOUS = 0.7
#: Standard deviations of a normal distribution per median absolute deviation.
NORMAL = 1.4826
#: Absolute value that four of five lie below, in standard deviations.
FOUR_OF_FIVE = 1.2816
#: Neighbours two points apart leave more than those beside by this factor: the noise is correlated.
SMOOTHED = 1.2
#: Whole numbers up to this are taken for counts, of which fewer than ten do not scatter as a normal distribution.
FEW = 20.0

# what a cubic through two neighbours to each side leaves of a point, per unit of noise
_CUBIC_SPREAD = math.sqrt(1.0 + 2.0 * (4.0 / 6.0) ** 2 + 2.0 * (1.0 / 6.0) ** 2)


def _predictions():
    """For each length of run: weights of the eight neighbours in each point, what their cubic leaves of them, spreads."""
    predict = np.zeros((LONGEST + 1, LONGEST, 2 * BESIDE))
    rest = np.zeros((LONGEST + 1, 2 * BESIDE, 2 * BESIDE))
    spread = np.ones((LONGEST + 1, LONGEST))
    powers = np.arange(4)
    for length in range(1, LONGEST + 1):
        beside = np.concatenate([np.arange(-BESIDE, 0), np.arange(length, length + BESIDE)]).astype(float)
        curve = beside[:, None] ** powers
        fit = np.linalg.pinv(curve)
        predict[length, :length] = np.arange(length, dtype=float)[:, None] ** powers @ fit
        rest[length] = np.eye(2 * BESIDE) - curve @ fit
        spread[length, :length] = np.sqrt(1.0 + (predict[length, :length] ** 2).sum(1))
    return predict, rest, spread


_PREDICT, _REST, _SPREAD = _predictions()


@kernel
def _median(values, count):
    """Median of the first ``count`` values, which are left sorted."""
    for i in range(1, count):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    if count == 0:
        return 0.0
    return values[count // 2] if count % 2 else 0.5 * (values[count // 2 - 1] + values[count // 2])


@kernel
def _noise(y, level, counted, noise, floor):
    """Standard deviation of the noise around each point, the level it belongs to, and the slope of variance with level.

    From what a cubic through four neighbours leaves: the larger of the whole spectrum's and that around, and more where
    neighbours two points apart say so, as in spectra that were smoothed. The variance grows along the blocks of the
    spectrum, and at least as that of counts without an offset does; few counts scatter by one more than they are.
    """
    n = y.size
    blocks = max(n // BLOCK, 1)
    local, height, wider = np.empty(blocks), np.empty(blocks), np.empty(blocks)
    mean, upper = np.empty(blocks), np.empty(blocks)
    sample, apart = np.empty(max(2 * BLOCK, blocks)), np.empty(2 * BLOCK)
    low, high = level[0], level[0]
    for b in range(blocks):
        first, last = n * b // blocks, n * (b + 1) // blocks
        m, far, lowest, total = 0, 0, level[first], 0.0
        for i in range(first, last):
            lowest, low, high = min(lowest, level[i]), min(low, level[i]), max(high, level[i])
            total += level[i]
            if 2 <= i < n - 2:
                middle = (4.0 * (y[i - 1] + y[i + 1]) - y[i - 2] - y[i + 2]) / 6.0
                sample[m] = abs(y[i] - middle) / _CUBIC_SPREAD
                m += 1
            if 4 <= i < n - 4:
                middle = (4.0 * (y[i - 2] + y[i + 2]) - y[i - 4] - y[i + 4]) / 6.0
                apart[far] = abs(y[i] - middle) / _CUBIC_SPREAD
                far += 1
        wider[b] = NORMAL * _median(apart, far)
        local[b], height[b], mean[b] = NORMAL * _median(sample, m), lowest, total / (last - first)
        upper[b] = sample[(4 * m) // 5] / FOUR_OF_FIVE if m else 0.0
    for b in range(blocks):
        sample[b] = local[b]
    whole = _median(sample, blocks)
    for b in range(blocks):
        sample[b] = upper[b]
    # coarse digits: the median says nothing; and a spectrum without noise has rounding
    whole = max(whole, _median(sample, blocks), 1e-9 * (high - low))
    for b in range(blocks):
        sample[b] = wider[b]
    smoothed = _median(sample, blocks) / whole
    smoothed = smoothed if smoothed > SMOOTHED else 1.0
    for b in range(blocks):
        largest = max(local[max(b - 1, 0)], local[b], local[min(b + 1, blocks - 1)], whole) * smoothed
        if counted:
            largest = max(largest, math.sqrt(1.0 + min(max(mean[b], 0.0), FEW)))
        for i in range(n * b // blocks, n * (b + 1) // blocks):
            noise[i], floor[i] = largest, height[b]
    mean_height = mean_square = up = across = 0.0
    for b in range(blocks):
        mean_height += height[b] / blocks
        mean_square += local[b] * local[b] / blocks
    for b in range(blocks):
        up += (height[b] - mean_height) * (local[b] * local[b] - mean_square)
        across += (height[b] - mean_height) ** 2
        sample[b] = height[b]
    typical = _median(sample, blocks)
    across += blocks * whole * whole  # levels that differ by no more than noise say nothing about the slope
    slope = up / across if across > 0.0 else 0.0
    return max(slope, whole * whole / typical if typical > 0.0 else 0.0, 0.0)


@kernel
def _stands_out(y, noise, start, length, threshold):
    """Whether a run is above the two points to each side by enough to be looked at closely."""
    largest = y[start]
    for k in range(1, length):
        largest = max(largest, y[start + k])
    beside = 0.25 * (y[start - 2] + y[start - 1] + y[start + length] + y[start + length + 1])
    return largest - beside > SUSPICIOUS * threshold * noise[start]


@kernel
def _run_size(y, level, noise, floor, slope, start, length, threshold, filled):
    """How far a run is above the cubic through the eight points around, in units of its threshold; 0 if it is none."""
    gap = length
    scatter, around = 0.0, 0.0
    for a in range(2 * BESIDE):
        left = 0.0
        for b in range(BESIDE):
            left += _REST[length, a, b] * y[start - BESIDE + b]
            left += _REST[length, a, b + BESIDE] * y[start + gap + b]
        scatter += left * left
    for b in range(BESIDE):
        around += level[start - BESIDE + b] + level[start + gap + b]
    scatter = math.sqrt(scatter / (2 * BESIDE - 4))
    more = slope * max(around / (2 * BESIDE) - floor[start], 0.0)
    unit = max(CAUTION[length] * scatter, math.sqrt(noise[start] * noise[start] + more))
    largest, smallest = 0.0, np.inf
    for k in range(length):
        value = 0.0
        for b in range(BESIDE):
            value += _PREDICT[length, k, b] * y[start - BESIDE + b]
            value += _PREDICT[length, k, b + BESIDE] * y[start + gap + b]
        filled[k] = value
        above = (y[start + k] - value) / _SPREAD[length, k]
        largest, smallest = max(largest, above), min(smallest, above)
    if unit <= 0.0:
        return 0.0
    size = largest / (threshold * unit)
    return size if size > 1.0 and smallest > 0.5 * threshold * unit else 0.0


@kernel
def _clean(y, level, noise, floor, slope, threshold, width, marks):
    """Mark the runs of one gapless spectrum and put them on their cubics; the largest of overlapping ones first."""
    n = y.size
    filled, best_filled = np.empty(LONGEST), np.empty(LONGEST)
    for _ in range(PASSES):
        found = False
        i = BESIDE
        while i < n - BESIDE:
            best, best_start, best_length = 0.0, i, 1
            for length in range(1, width + 1):
                # runs that begin here, and longer ones where the first of them was found
                for start in range(i, i + (length if best > 0.0 else 1)):
                    if start + length > n - BESIDE or not _stands_out(y, noise, start, length, threshold):
                        continue
                    size = _run_size(y, level, noise, floor, slope, start, length, threshold, filled)
                    if size > best:
                        best, best_start, best_length = size, start, length
                        for k in range(length):
                            best_filled[k] = filled[k]
            if best > 0.0:
                found = True
                for k in range(best_length):
                    marks[best_start + k] = True
                    level[best_start + k] += best_filled[k] - y[best_start + k]
                    y[best_start + k] = best_filled[k]
                i = best_start + best_length
            else:
                i += 1
        if not found:
            return


@entry_point
def find_runs(rows, reference, sigma, threshold, width, values, marks, high, wider):
    """Spikes of all ``rows``: ``marks`` set, ``values`` with the runs on their cubics; ``wider``: whether longer
    ones than ``width`` points are above the threshold ``high``, which are left.

    ``reference`` (rows, n), or without rows: what neighbouring spectra show in its place, NaN where nothing is known; the
    spectrum less the multiple of it that fits best is then looked at. ``sigma`` likewise. Points that are not finite are missing.
    """
    count, n = rows.shape
    y, level, floor, noise = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    place, there = np.empty(n, np.int64), np.empty(n, np.bool_)
    subtracted = np.zeros(n)
    for r in range(count):
        m, whole = 0, True
        for i in range(n):
            values[r, i] = rows[r, i]
            there[i] = rows[r, i] - rows[r, i] == 0.0  # finite
            if there[i] and len(sigma) and not sigma[r, i] > 0.0:
                there[i] = False
            if there[i]:
                whole = whole and rows[r, i] == math.floor(rows[r, i])
                place[m] = i
                m += 1
        if m < 4 * BESIDE:
            continue
        fill_from_reference = len(reference) > 0
        for k in range(m):
            level[k] = y[k] = rows[r, place[k]]
            subtracted[k] = 0.0
            if fill_from_reference and not reference[r, place[k]] == reference[r, place[k]]:
                fill_from_reference = False
        if fill_from_reference:
            _subtract(y, reference[r], place, m, subtracted, noise)
        flags = np.zeros(m, np.bool_)
        slope = _noise(y[:m], level[:m], whole and not fill_from_reference, noise, floor)
        if len(sigma):
            slope = 0.0
            for k in range(m):
                noise[k] = sigma[r, place[k]]
        _clean(y[:m], level[:m], noise, floor, slope, threshold, width, flags)
        for k in range(m):
            if flags[k]:
                marks[r, place[k]] = True
                value = y[k] + subtracted[k]
                values[r, place[k]] = math.floor(value + 0.5) if whole else value  # counts stay counts
        if width < LONGEST:
            wider[r] = _holds_longer(y[:m], level[:m], noise, floor, slope, high, width)


@kernel
def _holds_longer(y, level, noise, floor, slope, threshold, width):
    """Whether a run of more than ``width`` points stands out as a spike does."""
    filled = np.empty(LONGEST)
    for start in range(BESIDE, y.size - BESIDE - width):
        step = 0.5 * threshold * noise[start]
        rises = y[start] - 0.5 * (y[start - 2] + y[start - 1]) > step
        for length in range(width + 1, LONGEST + 1):
            end = start + length
            if end > y.size - BESIDE:
                break
            # whatever the slope, one end of a run is above the points beside it
            if not rises and not y[end - 1] - 0.5 * (y[end] + y[end + 1]) > step:
                continue
            if not _stands_out(y, noise, start, length, threshold):
                continue
            if _run_size(y, level, noise, floor, slope, start, length, threshold, filled) > 0.0:
                return True
    return False


@kernel
def _absolute_mean(values, count):
    total = 0.0
    for k in range(count):
        total += abs(values[k])
    return total / count


@kernel
def _subtract(y, reference, place, m, subtracted, rest):
    """Take off ``y`` the line a + b·reference that fits best, points that are far off it left out the second time."""
    a, b = 0.0, 0.0
    for turn in range(3):
        limit = np.inf
        if turn:
            for k in range(m):
                rest[k] = abs(y[k] - a - b * reference[place[k]])
            limit = 6.0 * _absolute_mean(rest, m)
        count, sx, sy, sxx, sxy = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(m):
            x = reference[place[k]]
            if turn and abs(y[k] - a - b * x) > limit:
                continue
            count += 1.0
            sx += x
            sy += y[k]
        if count < 3.0:
            return
        for k in range(m):
            x = reference[place[k]]
            if turn and abs(y[k] - a - b * x) > limit:
                continue
            sxx += (x - sx / count) ** 2
            sxy += (x - sx / count) * (y[k] - sy / count)
        b = sxy / sxx if sxx > 0.0 else 0.0
        a = (sy - b * sx) / count
    for k in range(m):
        subtracted[k] = a + b * reference[place[k]]
        y[k] -= subtracted[k]


@entry_point
def references(rows, neighbours, out):
    """Median of each row of ``neighbours`` at each point; NaN where fewer than two are there.

    ``neighbours`` holds numbers of ``rows``, −1 where there is none.
    """
    n = rows.shape[1]
    most = neighbours.shape[1]
    sample = np.empty(most)
    for r in range(len(neighbours)):
        for i in range(n):
            m = 0
            for k in range(most):
                other = neighbours[r, k]
                if other < 0:
                    continue
                value = rows[other, i]
                if value - value != 0.0:
                    continue
                j = m
                while j > 0 and sample[j - 1] > value:
                    sample[j] = sample[j - 1]
                    j -= 1
                sample[j] = value
                m += 1
            if m < 2:
                out[r, i] = np.nan
            elif m % 2:
                out[r, i] = sample[m // 2]
            else:
                out[r, i] = 0.5 * (sample[m // 2 - 1] + sample[m // 2])
