package workspace

// Permission is the id of a row of the role matrix, M01 to M13.
type Permission string
