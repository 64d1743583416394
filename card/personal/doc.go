// Package personal keeps members' resident IDs, phone numbers and names: sealed
// at rest, found by keyed hash, shown masked (invariant 11).
//
// # Keys
//
// Envelope encryption: a key of the keyring's ring "personal" (the KEK, outside
// the database) wraps the data keys and index keys in the table data_keys. A data
// key seals values (AEAD), an index key makes their keyed hashes (MAC truncated
// to 128 bits). Every row names both keys, so that rows of older keys stay
// readable while a rotation runs; both keys are bound to a cipher Suite: AES-256-GCM
// and HMAC-SHA-256, or SM4-GCM and HMAC-SM3 (GB/T 32907, GB/T 32905).
//
// A sealed value is a random nonce of 12 bytes, the ciphertext and a tag of 16.
// It is bound to its field and to the person (the hash of the resident ID) by
// additional data: moved to another column or another member's row, it does not
// open. Under one data key at most 2^32 values are sealed with random nonces (NIST
// SP 800-38D, 8.3): ten million members take 3·10^7.
//
// # Invariants
//
// No plain value is printed by fmt, slog or JSON. One person has one hash a key;
// during a re-index a person has two, which look-ups try together and of which
// writers write the newer: the database refuses the older.
package personal
