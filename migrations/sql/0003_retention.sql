-- Drops a month of a market table. It waits for nobody for long: whoever inserts would wait behind it (SQLSTATE 55P03).
create function market_partition_drop(p_table text, p_month date) returns void language plpgsql as $$
begin
  perform set_config('lock_timeout', '1s', true);
  execute format('drop table if exists %I', p_table || to_char(p_month, '_YYYYMM'));
end $$;
