package ldap

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var errTime = errors.New("not a time")

// filetimeEpoch is the distance from 1601, where Active Directory counts from,
// to 1970, in units of 100 ns.
const filetimeEpoch = 116444736000000000

// parseExpiry reads the end of an account in the attribute's own notation.
func parseExpiry(name, v string) (at time.Time, never bool, err error) {
	v = strings.TrimSpace(v)
	switch name {
	case "accountExpires":
		n, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err != nil || n < 0:
			return at, false, errTime
		case n == 0 || n == math.MaxInt64:
			return at, true, nil
		}
		at, err = fromFiletime(n)
		return at, err != nil, nil // beyond what a calendar holds: never
	case "shadowExpire":
		days, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err != nil:
			return at, false, errTime
		case days < 0 || days > 2_900_000: // the year 9909
			return at, true, nil
		}
		return time.Unix(days*86400, 0).UTC(), false, nil
	}
	at, err = parseTime(v)
	return at, false, err
}

// fromFiletime reads 100 ns since 1601 (MS-DTYP 2.3.3).
func fromFiletime(n int64) (time.Time, error) {
	if n < 0 {
		return time.Time{}, errTime
	}
	n -= filetimeEpoch
	at := time.Unix(n/1e7, n%1e7*100).UTC()
	if at.Year() > 9999 {
		return time.Time{}, errTime
	}
	return at, nil
}

// generalizedLayouts are the forms of RFC 4517 section 3.3.13 that directories
// write, without the fraction, which is read apart.
var generalizedLayouts = map[int]string{10: "2006010215", 12: "200601021504", 14: "20060102150405"}

// parseTime reads a GeneralizedTime, an Active Directory time of 18 digits,
// RFC 3339 or a day.
func parseTime(v string) (time.Time, error) {
	v = strings.TrimSpace(v)
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && len(v) >= 17 {
		return fromFiletime(n)
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, v); err == nil {
			return at.UTC(), nil
		}
	}
	zone := strings.IndexAny(v, "Z+-")
	if zone < 0 {
		return time.Time{}, errTime
	}
	digits, _, fraction := strings.Cut(v[:zone], ".")
	if !fraction {
		digits, _, _ = strings.Cut(v[:zone], ",")
	}
	layout, ok := generalizedLayouts[len(digits)]
	if !ok {
		return time.Time{}, errTime
	}
	offset := v[zone:]
	if offset != "Z" {
		layout += "-0700"
		digits += offset
		if len(offset) == 3 {
			digits += "00"
		}
	}
	at, err := time.Parse(layout, digits)
	if err != nil || at.Year() < 1 {
		return time.Time{}, errTime
	}
	return at.UTC(), nil
}
