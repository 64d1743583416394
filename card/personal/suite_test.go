package personal_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/hex"
	"testing"

	"unioncard/card/personal"
)

// Published vectors: McGrew and Viega's test case 16 of GCM, RFC 4231's second of
// HMAC-SHA-256; RFC 8998 (A.1) for SM4-GCM, GM/T 0042-2015 for HMAC-SM3.
func TestVectors(t *testing.T) {
	t.Parallel()
	alphabet := "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
	for _, tc := range []struct {
		suite                          personal.Suite
		key, nonce, plain, aad, sealed string
		macKey, macText, mac           string
	}{
		{suite: personal.AES(),
			key:   "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
			nonce: "cafebabefacedbaddecaf888",
			plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
			aad:   "feedfacedeadbeeffeedfacedeadbeefabaddad2",
			sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
				"76fc6ece0f4e1768cddf8853bb2d551b",
			macKey: hex.EncodeToString([]byte("Jefe")), macText: "what do ya want for nothing?",
			mac: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{suite: personal.SM(),
			key:   "0123456789abcdeffedcba9876543210",
			nonce: "00001234567800000000abcd",
			plain: "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
			aad:   "feedfacedeadbeeffeedfacedeadbeefabaddad2",
			sealed: "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d" +
				"83de3541e4c2b58177e065a9bf7b62ec",
			macKey:  "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
			macText: alphabet + alphabet,
			mac:     "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a"},
	} {
		if got := len(tc.key) / 2; got != tc.suite.KeySize() {
			t.Fatalf("%s: key of %d bytes", tc.suite.Name(), tc.suite.KeySize())
		}
		block, err := tc.suite.Cipher(raw(t, tc.key))
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(aead.Seal(nil, raw(t, tc.nonce), raw(t, tc.plain), raw(t, tc.aad))); got != tc.sealed {
			t.Errorf("%s: sealed %s", tc.suite.Name(), got)
		}
		if got, err := aead.Open(nil, raw(t, tc.nonce), raw(t, tc.sealed), raw(t, tc.aad)); err != nil || !bytes.Equal(got, raw(t, tc.plain)) {
			t.Errorf("%s: opened %x, %v", tc.suite.Name(), got, err)
		}
		mac := hmac.New(tc.suite.Hash, raw(t, tc.macKey))
		mac.Write([]byte(tc.macText))
		if got := hex.EncodeToString(mac.Sum(nil)); got != tc.mac {
			t.Errorf("%s: MAC %s", tc.suite.Name(), got)
		}
	}
}

func raw(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSuiteNamed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"aes", "sm"} {
		if s, err := personal.SuiteNamed(name); err != nil || s.Name() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := personal.SuiteNamed("des"); err == nil {
		t.Error("des is a suite")
	}
}
