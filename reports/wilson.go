package reports

import "math"

// wilson returns the one-sided lower and upper bounds of a share of good slots at a confidence.
//
// Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
// Statistical Association 22 (1927): the score interval, which also holds for few slots and for shares near 0 and 1.
func wilson(good, all int64, confidence float64) (lower, upper float64) {
	n, p := float64(all), float64(good)/float64(all)
	z := math.Sqrt2 * math.Erfinv(2*confidence-1) // the normal quantile
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}
