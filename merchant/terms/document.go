package terms

// Document returns the offers as they were published, in declared order. They
// must not be changed.
func (c *Compiled) Document() []Offer { return c.doc }
