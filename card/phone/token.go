package phone

// TokenHash is what the database holds of a session's token; false for what can't be
// one. It is for whoever resolves many sessions in one statement, which has to hold
// them to Limits.Idle and Limits.Absolute and to the member's status as BySession does.
func TokenHash(token string) (hash []byte, ok bool) { return tokenHash(token) }
