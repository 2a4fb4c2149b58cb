. "$PROJECT/tests/vm/guest/lib.sh"
step "an assertion follows"
same "two and two" $((2 + 2)) 5
