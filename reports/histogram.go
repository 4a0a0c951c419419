package reports

import (
	"math/bits"
	"time"
)

// histogram counts times in buckets that are never wider than 1/128 of their lower edge, so that a quantile read from it is
// known to 0.8 %, in memory that does not grow with the count. Integers only: every machine gets the same answer.
type histogram struct {
	counts []int64
	total  int64
	max    time.Duration
}

const fineBits = 7 // 128 buckets for each doubling

func (h *histogram) add(d time.Duration) {
	i := bucketOf(d)
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]int64, i+1-len(h.counts))...)
	}
	h.counts[i]++
	h.total++
	h.max = max(h.max, d)
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	shift := max(bits.Len64(v)-fineBits-1, 0)
	return shift<<fineBits + int(v>>shift)
}

// edges returns the least and the greatest time of a bucket.
func edges(i int) (lo, hi time.Duration) {
	if i < 2<<fineBits {
		return time.Duration(i), time.Duration(i)
	}
	shift := i>>fineBits - 1
	base := uint64(i - shift<<fineBits)
	return time.Duration(base << shift), time.Duration((base+1)<<shift - 1)
}

// at returns the bounds of the time of the given rank, counted from 1 for the least.
func (h *histogram) at(rank int64) Interval {
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			lo, hi := edges(i)
			return Interval{Lo: lo, Hi: min(hi, h.max)}
		}
	}
	return Interval{Lo: h.max, Hi: h.max}
}

// rankOf returns the least rank at which the share of all that is not above it reaches the quantile.
func rankOf(quantile Ratio, all int64) int64 {
	rank := min(max(int64(float64(quantile)*float64(all)), 1), all)
	for rank < all && Ratio(float64(rank)/float64(all)) < quantile {
		rank++
	}
	return rank
}
