. "$PROJECT/tests/vm/guest/lib.sh"
[ "$ATTEMPT" = 2 ] || die "by chance"
