package paper

// Face is for the tests from outside.
var Face = face
