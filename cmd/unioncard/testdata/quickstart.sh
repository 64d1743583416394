# A till in a shell: curl, openssl and a POSIX shell, nothing else.
# API is the service, ACTIVATION the till's one-time code, and CARD_CODE a command
# that prints what the member's phone shows now.
API=${API:-http://127.0.0.1:8080}
WORK=$(mktemp -d) # the till's key stays here
b64url() { base64 | tr -d '\n=' | tr '+/' '-_'; }
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; } # a field of flat JSON

# 1. Make a key that never leaves this machine, and register it.
openssl genpkey -algorithm ed25519 -out "$WORK/till.key"
PUBLIC=$(openssl pkey -in "$WORK/till.key" -pubout -outform DER | b64url)
ANSWER=$(curl -sS "$API/v1/terminals/activate" -H 'Content-Type: application/json' \
  -d "{\"code\":\"$ACTIVATION\",\"public_key\":\"$PUBLIC\"}")
CLIENT=$(echo "$ANSWER" | field client_id)
[ -n "$CLIENT" ] || { echo "$ANSWER"; exit 1; }
echo "client $CLIENT"

# 2. Sign an assertion (RFC 7523) and get a token, good for an hour.
NOW=$(date +%s)
HEAD=$(printf '{"alg":"EdDSA","typ":"JWT"}' | b64url)
BODY=$(printf '{"iss":"%s","sub":"%s","aud":"%s/oauth/token","jti":"%s","iat":%d,"exp":%d}' \
  "$CLIENT" "$CLIENT" "$API" "$(openssl rand -hex 16)" "$NOW" $((NOW + 60)) | b64url)
printf '%s.%s' "$HEAD" "$BODY" > "$WORK/signed.txt"
openssl pkeyutl -sign -inkey "$WORK/till.key" -rawin -in "$WORK/signed.txt" -out "$WORK/signature.bin"
ANSWER=$(curl -sS "$API/oauth/token" -d grant_type=client_credentials \
  -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
  --data-urlencode "client_assertion=$(cat $WORK/signed.txt).$(b64url < $WORK/signature.bin)")
TOKEN=$(echo "$ANSWER" | field access_token)
[ -n "$TOKEN" ] || { echo "$ANSWER"; exit 1; }
echo "token ${TOKEN%%.*}…"

post() { # path, body, idempotency key
  curl -sS -X POST "$API$1" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    ${3:+-H "Idempotency-Key: \"$3\""} -d "$2"
}

# 3. The member shows a code; the till asks whether it is good and what the basket earns.
ITEMS='[{"sku":"RICE-5KG","category":"shopping.grain","qty_milli":2000,"unit_price_fen":3990,"amount_fen":7980},
        {"sku":"OIL-5L","category":"shopping.grain","qty_milli":2000,"unit_price_fen":6990,"amount_fen":13980}]'
ANSWER=$(post /v1/verifications "{\"code\":\"$($CARD_CODE)\",\"amount_fen\":21960,\"items\":$ITEMS}")
echo "$ANSWER"
QUOTE=$(echo "$ANSWER" | field token)

# 4. Record the sale under a key of the till's own. The answer gets lost: ask again, as often as needed.
KEY=$(openssl rand -hex 16)
post /v1/purchases "{\"quote\":\"$QUOTE\",\"items\":$ITEMS}" "$KEY" > /dev/null
SALE=$(post /v1/purchases "{\"quote\":\"$QUOTE\",\"items\":$ITEMS}" "$KEY")
echo "$SALE"
ID=$(echo "$SALE" | field id)
curl -fsS "$API/v1/purchases?key=$KEY" -H "Authorization: Bearer $TOKEN"; echo

# 5. One bag of rice comes back: line 1, one of two.
post "/v1/purchases/$ID/refunds" '{"items":[{"line":1,"qty_milli":1000}],"reason":"退货","operator":"01"}' "$(openssl rand -hex 16)"; echo

# 6. Another sale, whose answer never came and which the customer no longer wants:
#    after a reversal it is undone, or can never come into being.
CARD_CODE="${CARD_CODE_2:-$CARD_CODE --slot 1}"
QUOTE=$(post /v1/verifications "{\"code\":\"$($CARD_CODE)\",\"amount_fen\":21960,\"items\":$ITEMS}" | field token)
KEY2=$(openssl rand -hex 16)
post /v1/purchases "{\"quote\":\"$QUOTE\",\"items\":$ITEMS}" "$KEY2" > /dev/null
post /v1/reversals "{\"key\":\"$KEY2\"}"; echo
curl -fsS "$API/v1/purchases?key=$KEY2" -H "Authorization: Bearer $TOKEN"; echo
