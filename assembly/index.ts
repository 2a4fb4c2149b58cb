// The core's exports, and nothing else. docs/CORE.md says what each one does.

export { memory_needed, init, buffer_address, runs_address } from './memory';
export { stat } from './status';
export { header_create, header_encode, header_check, set_fsize, to_incremental } from './header';
export { header_close } from './next-file';
export { mark, is_copied } from './bitmap';
export { plan_copy, plan_read } from './plan';
export { commit_copy } from './commit';
export { room_wanted, room_make } from './leaves';
export {
  miss_section,
  memory_wanted,
  section_request,
  set_cache,
  io_section,
  io_offset,
  io_address,
  section_read_done,
  section_write_done,
  next_dirty_section,
} from './index-sections';
export { mask_extent, mark_unmasked, mask_begin, mask_next, mask_export, mask_import } from './mask';
export { changed_export, changed_import } from './changed';
export { proof_begin, proof_next, proof_block } from './proof';
export {
  record_begin,
  record_extent,
  record_survey,
  record_plan,
  record_next,
  record_offset,
  record_export,
  record_encode,
} from './record-save';
export { record_check, record_import, record_accept } from './record-load';
export { regions_keep, regions_set } from './regions';
export { map_next, map_offset, map_export, map_written, map_import, map_recover, map_recount } from './dirty-map';
export {
  live_begin,
  live_switch,
  live_identity,
  live_log,
  live_renew,
  live_resume,
  live_encode,
  live_commit,
  live_drop,
  live_void,
} from './live';
export { slots_take, live_move, live_inherit, live_take_over, live_former_closed, header_follow } from './live-next';
export { live_rest } from './log-writes';
export { next_changed_section, export_section, changed_runs, scan_index } from './walk';
