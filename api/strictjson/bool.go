package strictjson

// Bool reads true or false.
func (r *Reader) Bool() bool {
	switch r.space(); r.peek() {
	case 't':
		r.literal("true")
		return r.hard == nil
	case 'f':
		r.literal("false")
		return false
	}
	r.wrong(ErrWrongType)
	return false
}
