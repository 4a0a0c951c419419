package html

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// offset writes a time since the drill's start: +m:ss.mmm, with hours where there are any.
func offset(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "\u2212", -d
	}
	hours, minutes := int64(d/time.Hour), int64(d/time.Minute)%60
	seconds, millis := int64(d/time.Second)%60, int64(d/time.Millisecond)%1000
	if hours > 0 {
		return fmt.Sprintf("%s%d:%02d:%02d.%03d", sign, hours, minutes, seconds, millis)
	}
	return fmt.Sprintf("%s%d:%02d.%03d", sign, minutes, seconds, millis)
}

// span writes how long something took, in the unit that reads best.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "\u2212" + span(-d)
	case d == 0:
		return "0 s"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < 999500*time.Nanosecond:
		return digits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < 999500*time.Microsecond:
		return digits(float64(d)/float64(time.Millisecond)) + " ms"
	case d < 59995*time.Millisecond:
		return digits(d.Seconds()) + " s"
	}
	d = d.Round(100 * time.Millisecond)
	switch {
	case d >= time.Hour:
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d min %02d s", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%d min %04.1f s", d/time.Minute, (d % time.Minute).Seconds())
	}
	d = d.Round(time.Second)
	if d < 24*time.Hour {
		return fmt.Sprintf("%d h %02d min %02d s", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d d %02d h %02d min", d/(24*time.Hour), d%(24*time.Hour)/time.Hour, d%time.Hour/time.Minute)
}

// digits writes a number of less than 1000 with three digits that count.
func digits(v float64) string {
	decimals := 2
	switch {
	case v >= 99.95:
		decimals = 0
	case v >= 9.995:
		decimals = 1
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// count writes a number with its thousands apart.
func count(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "\u2212", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// counted writes a number with what is counted: 1 slot, 2 slots.
func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return count(n) + " " + what
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n >= 999_500_000:
		return digits(float64(n)/1e9) + " GB"
	case n >= 999_500:
		return digits(float64(n)/1e6) + " MB"
	case n >= 1000:
		return digits(float64(n)/1e3) + " kB"
	default:
		return counted(n, "byte")
	}
}

// share writes good of asked as a percentage. It is cut, never rounded up: one bad slot in a million is not 100 %.
func share(good, asked int64) string {
	if asked <= 0 {
		return "none asked"
	}
	if good >= asked {
		return "100 %"
	}
	part := int64(float64(good) / float64(asked) * 100_000)
	return fmt.Sprintf("%d.%03d %%", part/1000, part%1000)
}

// percent writes a place on an axis for SVG.
func percent(part float64) string {
	return strconv.FormatFloat(min(max(part, 0), 1)*100, 'f', 3, 64) + "%"
}
