. "$PROJECT/tests/vm/guest/lib.sh"
step "a sleep follows"
sleep 10000
