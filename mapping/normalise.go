package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// Reasons why a text is not taken as a phone number. Errors of Normalise wrap
// one of them.
var (
	// ErrNoCountry: the text has no country code and no country is known.
	ErrNoCountry = errors.New("no country is known for a number without +")
	// ErrNotNumber: the text is no phone number that can be in use.
	ErrNotNumber = errors.New("not a phone number")
)

// Normalised is a phone number in E.164 form beside the text it came from.
type Normalised struct {
	Raw       string
	E164      string
	Extension string // "" if none
	// Subscriber is false for numbers that are nobody's own: toll-free,
	// premium, shared-cost and other service numbers.
	Subscriber bool
}

const maxNumberText = 128

var (
	// A second number begins after one of these.
	numberBreak = regexp.MustCompile(`[,;/|&\r\n\t]|\s(?:or|and|og|oder|und|ou|et|y)\s`)
	notDigit    = regexp.MustCompile(`\D`)
)

// Normalise reads a phone number as a directory states it (mapping section 6,
// NR1). region is an ISO 3166 code in capitals, "" if none is known; it is
// never guessed from the text. It is safe for concurrent use.
func Normalise(raw, region string) (Normalised, error) {
	out := Normalised{Raw: raw}
	text := strings.TrimLeft(strings.TrimSpace(fold.Key(raw)), "'’`")
	switch {
	case text == "":
		return out, fmt.Errorf("%w: empty", ErrNotNumber)
	case len(text) > maxNumberText:
		return out, fmt.Errorf("%w: longer than %d characters", ErrNotNumber, maxNumberText)
	case severalNumbers(text):
		return out, fmt.Errorf("%w: two numbers in one field", ErrNotNumber)
	}
	num, err := phonenumbers.Parse(text, region)
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode) && !strings.HasPrefix(text, "+"):
		return out, ErrNoCountry
	case err != nil:
		return out, fmt.Errorf("%w: %w", ErrNotNumber, err)
	case !phonenumbers.IsValidNumber(num):
		return out, fmt.Errorf("%w: no number in use has this form", ErrNotNumber)
	}
	out.E164 = phonenumbers.Format(num, phonenumbers.E164)
	out.Extension = num.GetExtension()
	switch phonenumbers.GetNumberType(num) {
	case phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE, phonenumbers.VOIP:
		out.Subscriber = true
	}
	return out, nil
}

// severalNumbers reports whether more than one part of the text is long
// enough to be a number of its own.
func severalNumbers(text string) bool {
	long := 0
	for _, part := range numberBreak.Split(text, -1) {
		if len(notDigit.ReplaceAllString(part, "")) >= 6 {
			long++
		}
	}
	return long > 1
}

// Country reads a country as directories state it: an ISO 3166-1 code of two
// letters in any case, or an English name (Active Directory's `co`). ok is
// false for anything else; a country is never guessed.
func Country(text string) (code string, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) == 2 {
		code = strings.ToUpper(text)
		return code, phonenumbers.GetCountryCodeForRegion(code) != 0
	}
	name := foldText(text)
	if code, ok = countryNames[name]; !ok {
		code, ok = countryNames[otherSpelling.Replace(name)]
	}
	return code, ok
}

// otherSpelling turns how people and directories write the names of countries
// into how countryNames does.
var otherSpelling = strings.NewReplacer(" and ", " & ", "saint ", "st. ", "'", "’")
