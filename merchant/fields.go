package merchant

import "strings"

// FieldErrors is a form refused: every field at fault with a sentence, in
// Chinese, that says what to do about it.
type FieldErrors []FieldError

// FieldError is one field at fault, by the name it has in the form.
type FieldError struct{ Field, Message string }

func (e FieldErrors) Error() string {
	fields := make([]string, len(e))
	for i, f := range e {
		fields[i] = f.Field
	}
	return "merchant: fields at fault: " + strings.Join(fields, ", ")
}

// Add notes a field at fault.
func (e *FieldErrors) Add(field, message string) { *e = append(*e, FieldError{field, message}) }

// Err is e as an error, nil without a field at fault.
func (e FieldErrors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// On is the message of a field, "" if it is not at fault.
func (e FieldErrors) On(field string) string {
	for _, f := range e {
		if f.Field == field {
			return f.Message
		}
	}
	return ""
}
