package workspace

import "time"

// Micros is a moment in Unix microseconds; zero means "none".
type Micros int64

// At converts a time to Micros.
func At(t time.Time) Micros {
	if t.IsZero() {
		return 0
	}
	return Micros(t.UnixMicro())
}

// Time converts back, in UTC; zero becomes the zero time.
func (m Micros) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// timeLayout is RFC 3339 in UTC with six digits, the form of every report.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// String formats the moment as reports show it, and "" for zero.
func (m Micros) String() string {
	if m == 0 {
		return ""
	}
	return m.Time().Format(timeLayout)
}

// MarshalJSON writes the report's form, and null for zero.
func (m Micros) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	b := make([]byte, 0, len(timeLayout)+2)
	b = append(b, '"')
	b = m.Time().AppendFormat(b, timeLayout)
	return append(b, '"'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Micros) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		*m = 0
		return nil
	}
	t, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(b))
	if err != nil {
		return err
	}
	*m = At(t)
	return nil
}
