-- 0144: experiment statistics. Intervals, tests and chances, exact to about nine digits, from counts alone.
-- migrate:up
-- The logarithm of the gamma function for x > 0, to about 12 digits: Stirling's series, from 10 on.
create function private.ln_gamma(x double precision) returns double precision
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  product double precision := 1;
begin
  while x < 10 loop
    product := product * x;
    x := x + 1;
  end loop;
  return (x - 0.5) * ln(x) - x + 0.9189385332046727 - ln(product)
    + (1 - (1 - (2 - 1.5 / (x * x)) / (7 * x * x)) / (30 * x * x)) / (12 * x);
end
$$;

-- The upper tail of the gamma distribution, Q(a, x): its series below a + 1, Lentz's continued fraction above. The two-sided tail
-- of a normal z is Q(1/2, z^2 / 2); the upper tail of a chi-square x with k degrees is Q(k / 2, x / 2).
create function private.gamma_q(a double precision, x double precision) returns double precision
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  scale double precision;
  n double precision := a;
  term double precision := 1 / a;
  sum double precision := 1 / a;
  b double precision := x + 1 - a;
  c double precision := 1e300;
  d double precision;
begin
  if x <= 0 then
    return 1;
  end if;
  scale := a * ln(x) - x - private.ln_gamma(a);
  -- exp() raises an error for smaller arguments.
  if scale < -700 then
    return case when x < a then 1 else 0 end;
  end if;
  if x < a + 1 then
    for i in 1 .. 1000 loop
      n := n + 1;
      term := term * x / n;
      sum := sum + term;
      exit when term < sum * 1e-16;
    end loop;
    return greatest(0, 1 - sum * exp(scale));
  end if;
  d := 1 / b;
  sum := d;
  for i in 1 .. 1000 loop
    n := -i * (i - a);
    b := b + 2;
    d := 1 / (n * d + b);
    c := b + n / c;
    sum := sum * d * c;
    exit when abs(d * c - 1) < 1e-15;
  end loop;
  return sum * exp(scale);
end
$$;

-- The chance that a rate with the posterior Beta(win_b, lose_b) is above one with Beta(win_a, lose_a), for whole numbers > 0.
-- Exact to about 9 digits at every size, without a normal approximation: sum over i < win_b of B(win_a + i, lose_a + lose_b) /
-- ((lose_b + i) B(1 + i, lose_b) B(win_a, lose_a)). The terms are a distribution over i, so they are added from the end of the
-- sum away from their peak, and only while they matter: some thousand terms for millions of units.
create function private.chance_to_win(
  win_a double precision, lose_a double precision, win_b double precision, lose_b double precision
) returns double precision
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  least_ constant double precision := least(win_a, lose_a, win_b, lose_b);
  lose constant double precision := lose_a + lose_b;
  i double precision := win_b - 1;
  term double precision;
  sum double precision := 0;
  up boolean;
begin
  -- The same chance with the roles exchanged, so that win_b is the smallest of the four and the sum the shortest.
  if win_b > least_ then
    return case
      when lose_a = least_ then private.chance_to_win(lose_b, win_b, lose_a, win_a)
      else 1 - private.chance_to_win(win_b, lose_b, win_a, lose_a)
    end;
  end if;

  term := private.ln_gamma(win_a + i) + private.ln_gamma(lose) - private.ln_gamma(win_a + i + lose)
    - ln(lose_b + i) - private.ln_gamma(1 + i) - private.ln_gamma(lose_b) + private.ln_gamma(1 + i + lose_b)
    - private.ln_gamma(win_a) - private.ln_gamma(lose_a) + private.ln_gamma(win_a + lose_a);
  -- Beyond the peak the rest of the distribution is shorter: subtract it from one. A short sum is added whole.
  up := i > 50 and (win_a + i) * (lose_b + i) < (win_a + i + lose) * (1 + i);
  loop
    if up then
      term := term + ln((win_a + i) * (lose_b + i) / ((win_a + i + lose) * (1 + i)));
      i := i + 1;
    end if;
    -- exp() raises an error for smaller arguments.
    sum := sum + case when term > -700 then exp(term) else 0 end;
    exit when (i <= 0 and not up) or ((up or i > 50) and term < greatest(-700, ln(greatest(sum, 1e-300)) - 36));
    if not up then
      i := i - 1;
      term := term - ln((win_a + i) * (lose_b + i) / ((win_a + i + lose) * (1 + i)));
    end if;
  end loop;
  return least(1, greatest(0, case when up then 1 - sum else sum end));
end
$$;

-- Wilson's 95 % interval of a rate; nulls if there are no units.
create function private.wilson_interval(hits double precision, n double precision, out low double precision, out high double precision)
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  z constant double precision := 1.959963984540054;
  rate double precision;
  center double precision;
  half double precision;
begin
  if n = 0 or hits is null then
    return;
  end if;
  rate := hits / n;
  center := (rate + z * z / (2 * n)) / (1 + z * z / n);
  half := z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  low := case when hits = 0 then 0 else greatest(0, center - half) end;
  high := case when hits = n then 1 else least(1, center + half) end;
end
$$;

-- Compares a variant with the control: rates, Newcombe's 95 % interval of their difference, the pooled two-proportion z and its
-- two-sided p. Null if one of them has no units.
create function private.compare_variants(hits_a double precision, n_a double precision, hits_b double precision, n_b double precision)
  returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  a record;
  b record;
  rate_a double precision;
  rate_b double precision;
  pooled double precision;
  z double precision;
begin
  if coalesce(n_a, 0) = 0 or coalesce(n_b, 0) = 0 or hits_a is null or hits_b is null then
    return null;
  end if;
  a := private.wilson_interval(hits_a, n_a);
  b := private.wilson_interval(hits_b, n_b);
  rate_a := hits_a / n_a;
  rate_b := hits_b / n_b;
  pooled := (hits_a + hits_b) / (n_a + n_b);
  -- If nobody or everybody converts, there is no z.
  if pooled > 0 and pooled < 1 then
    z := (rate_b - rate_a) / sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b));
  end if;
  return jsonb_build_object(
    'absolute', rate_b - rate_a,
    'relative', case when rate_a > 0 then (rate_b - rate_a) / rate_a end,
    'low', rate_b - rate_a - sqrt((rate_b - b.low) ^ 2 + (a.high - rate_a) ^ 2),
    'high', rate_b - rate_a + sqrt((b.high - rate_b) ^ 2 + (rate_a - a.low) ^ 2),
    'z', z,
    'p_value', private.gamma_q(0.5, z * z / 2)
  );
end
$$;

-- Whether units are spread over the variants as the weights say: chi-square of the exposed units. Alarm below 0.001: something
-- loses units of one variant, and no other number of the result can be trusted.
create function private.sample_ratio(units double precision[], weights double precision[]) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  total constant double precision := (select sum(u) from unnest(units) as u);
  share constant double precision := (select sum(w) from unnest(weights) as w);
  degrees constant int := cardinality(units) - 1;
  chi_square double precision;
  p double precision;
begin
  if total > 0 then
    select sum((each.n - total * each.weight / share) ^ 2 / (total * each.weight / share)) into chi_square
    from unnest(units, weights) as each (n, weight);
    p := private.gamma_q(degrees / 2.0, chi_square / 2);
  end if;
  return jsonb_build_object(
    'chi_square', chi_square, 'degrees_of_freedom', degrees, 'p_value', p, 'alarm', coalesce(p < 0.001, false)
  );
end
$$;

-- migrate:down
drop function private.sample_ratio(double precision[], double precision[]);
drop function private.compare_variants(double precision, double precision, double precision, double precision);
drop function private.wilson_interval(double precision, double precision);
drop function private.chance_to_win(double precision, double precision, double precision, double precision);
drop function private.gamma_q(double precision, double precision);
drop function private.ln_gamma(double precision);
