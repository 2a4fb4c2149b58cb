# A switch of mode ends while a writer that passes the filesystem, and so its freeze, goes on and on.
. "$PROJECT/tests/vm/guest/lib.sh"
make_origin
load_module
dbdctl setup-snapshot -f 160 $ORIGIN $MOUNT/cow 0
# Every write is deferred, since its block is written for the first time, and there is always one.
fio --name=raw --filename=$ORIGIN --allow_mounted_write=1 --offset=340M --size=40M --offset_increment=40M --numjobs=4 --rw=randwrite \
	--bs=4k --ioengine=libaio --iodepth=32 --direct=1 --thread --eta=never --output=/run/fio.log &
fio=$!
copied() { [ "$(field 0 nr_changed_blocks)" -gt 3000 ]; }
until_true 60 "the first copies" copied
begin=$(date +%s%3N)
timeout 300 node "$PROJECT/dist/dbdctl.mjs" transition-to-incremental 0
step "transition-to-incremental took $(($(date +%s%3N) - begin)) ms"
kill -0 $fio 2>/dev/null || die "the switch waited for the end of the writer"
same "error" "$(field 0 error)" ""
wait $fio || die "the writer failed: $(cat /run/fio.log)"
changed=$(field 0 nr_changed_blocks)
[ "$changed" -ge $((4 * 40 * 256)) ] || die "only $changed blocks are listed as changed"
dbdctl transition-to-snapshot -f 100 $MOUNT/cow1 0
dbdctl destroy 0
umount $MOUNT
unload_module
