package personal

// PhoneHash is the hash under which a number that is no member's is stored, with the
// index key it was made with. Rotate does not reach rows of other tables: whoever
// keeps them hashes them anew where index_key is another than this.
func (v *Vault) PhoneHash(phone string) (h Hash, indexKey int16) {
	key := v.keys.Load().hash
	return key.sum(fieldPhone, phone), key.id
}
