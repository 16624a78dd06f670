-- Whether record and venue differ in something that nobody has decided on: then nothing leaves that adds to a book of the account.
create function unreconciled(p_account text) returns boolean language sql stable as $$
  select exists (select from reconcile_items where account_id = p_account and resolved_at is null and decision <> 'ignore'
    and kind <> 'order')
$$;

-- An order that is at the venue and that no strategy of ours has made. Its verdict says so, and that nobody was asked.
create function orders_adopt(p_id uuid, p_client_order_id text, p_account text, p_venue text, p_session text, p_symbol text,
  p_order_type text, p_side text, p_quantity numeric, p_price numeric, p_stop numeric, p_strategy text, p_at bigint, p_until bigint,
  p_epoch bigint, p_reason text) returns void language plpgsql as $$
begin
  insert into risk_assessments (signal_id, session_id, account_id, strategy_id, symbol, verdict, code, reason, limit_value, seen_value)
    values (p_id, p_session, p_account, p_strategy, p_symbol, 'APPROVED', '', p_reason, '', '') on conflict (signal_id) do nothing;
  insert into orders (id, client_order_id, account_id, venue, session_id, symbol, order_type, side, quantity, price, stop_price, purpose,
      status, time_in_force, strategy_id, signal_id, leg, risk_assessment_id, epoch, decided_at, valid_until, expires_at)
    values (p_id, p_client_order_id, p_account, p_venue, p_session, p_symbol, p_order_type, p_side, p_quantity, p_price, p_stop,
      'external', 'ACKED', 'GTC', p_strategy, p_id, 0, p_id, p_epoch, at_ns(p_at), at_ns(p_at), at_ns(p_until));
end $$;
