"""Small templates, one construct each, for make_golden.py."""

VARIABLES = {
    "s": "Hello, World",
    "e": "",
    "n": 3,
    "z": 0,
    "f": 2.5,
    "t": True,
    "b": False,
    "no": None,
    "l": [3, 1, 2],
    "names": ["b", "A", "c", "a"],
    "d": {"b": 1, "a": {"x": [1, 2]}, "items": "own", "with space": "é"},
    "users": [
        {"name": "bob", "age": 3, "tags": []},
        {"name": "Ann", "age": 1, "tags": ["x"]},
        {"name": "cid", "tags": ["y", "z"]},
    ],
    "u": "é e\u0301 日本 🙂 ß",
    "text": "line one\nline two\r\n\n  last ",
    "q": "it's \"so\" \\ \u0000\u001f\u007f\u2028",
}

# Expressions, each printed.
EXPRESSIONS = r"""
none
None
true
False
n
-n
+n
- -n
f
1.0
100000000000000000.0
1e15
9900000000000000.0
1e16
0.0001
0.00001234
1e-7
1.5e300
-0.0
1_000
0x1f + 0b11 + 0o17
007
10 ** 2
2 ** -1
2 ** 3 ** 2
-2 ** 2
7 / 2
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
1 / 0
1 % 0
1 + 2 * 3 - 4
1 + 2 ~ 3 + 4
2 * 3 ~ 4
'a' 'b' "c"
'a' + 'b'
'a' + 1
'a' * 3
3 * 'ab'
'a' * -1
[1, 2] + [3]
[1] * 3
(1, 2) + (3,)
[1] + (2,)
'a' ~ 1 ~ none ~ [1, 'x'] ~ missing
'%s is %d, %r' % ('x', 3, 'y')
'%(a)s' % {'a': 1}
'100%% %s' % 5
'%s' % ('a', 'b')
1 == 1.0
1 == true
'1' == 1
'é' == 'é'
u[0] == 'é'
[1, 2] == [1, 2]
[1, 2] == (1, 2)
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
'a' < 'b'
'Z' < 'a'
[1, 2] < [1, 3]
1 < 'a'
none == missing
missing == other
missing != 1
missing < 1
none < 1
not n
not z
not not n
not 1 == 2
n and s
z and s
z or s
e or none or 'x'
n and z or 'no'
'a' if n else 'b'
'a' if z else 'b'
'a' if z
('a' if z) is defined
1 if z else 2 if z else 3
(1 if n else 2) + 1
2 in l
5 not in l
not 5 in l
'ell' in s
'x' in s
'' in s
1 in s
'b' in d
'zz' in d
'a' in missing
missing in l
1 in none
'items' in d
missing
missing.attribute
missing['x']
s.missing
s.missing.more
d.missing
d.missing.more
d['missing']
d.b
d['b']
d.a.x[0]
d.a['x'][-1]
d['with space']
d['items']
d.items()
d.items() | list
d.keys()
d.values() | list
d.get('b')
d.get('zz')
d.get('zz', 4)
d.copy()
d.pop('b')
d.update({})
d[0]
{'a': 1}[['a']]
l[0]
l[-1]
l[5]
l[5] is undefined
l.0
l[1:]
l[:-1]
l[::-1]
l[::2]
l[5:]
l[-2:]
l[2:0:-1]
l[::0]
l['a']
l[n:]
l[:none]
s[0]
s[-1]
s[1:4]
s[::-1]
u[3:]
u[::-1]
(1, 2, 3)[1:]
(1,)
()
(1)
(n, s)
[]
{}
[1, 2.0, 'x', none, true, [], {}, ()]
[n, [s, [none]]]
{'k': 'v', 1: 2, none: true}
{1: 'a', 1.0: 'b', true: 'c'}
['it\'s', "q\"", 'both\'"', 'new\nline', 'tab\t', 'back\\slash', 'é', '\x00', '\u200b', '🙂']
q
[q]
"\x41\u00e9\101\U0001F642"
'\d\é'
range(3)
range(1, 7, 2) | list
range(3, 0, -1) | list
range(0) | list
range(5)[2]
range(5) | length
range(2, 2, 0)
range(100001)
range(10 ** 18)
9223372036854775807
namespace(a=1).a
namespace(a=1).zz
namespace({'a': 2}, b=3).b
namespace(_a=1)
dict(a=1, b=2)
dict([('a', 1)])
dict({'a': 1}, b=2)
raise_exception('no ' ~ n)
strftime_now('%Y-%m-%d')
strftime_now('%d %B %Y, %A %H:%M:%S %p %I %j %b %a %y %e %%')
strftime_now('%-d %-m %-H %F %T %D %R')
undefined_function()
s()
s.undefined_method()
s.upper()
s.lower()
u.upper()
'ǅ straße'.title()
s.title()
"it's a dog-day".title()
"it's a dog-day" | title
'hELLO wORLD'.capitalize()
'hELLO wORLD' | capitalize
s.split(', ')
s.split('l', 1)
s.rsplit('l', 1)
'  a  b c '.split()
'  a  b c '.split(none, 1)
'  a  b c '.rsplit(none, 1)
'aXbXc'.split('X')[-1]
'abc'.split('')
'a,b'.split(sep=',')
'<think>x</think>y'.split('</think>')[0].split('<think>')[-1]
text.splitlines()
text.splitlines(true)
s.partition(', ')
s.rpartition('o')
s.partition('zz')
s.rpartition('zz')
'  x '.strip() ~ '|'
'  x '.lstrip() ~ '|'
'  x '.rstrip() ~ '|'
'xxaxx'.strip('x')
'abcba'.lstrip('ab')
'\n\nx\n'.strip('\n')
s.startswith('Hell')
s.startswith('ell', 1)
s.startswith(('x', 'H'))
s.endswith('World')
s.endswith(['d'])
s.removeprefix('Hello')
s.removesuffix('World')
s.replace('l', 'L')
s.replace('l', 'L', 1)
'abc'.replace('', '-')
'aaa'.replace('aa', 'b')
s.find('o')
s.rfind('o')
s.find('zz')
u.find('日')
s.index('o')
s.index('zz')
s.count('l')
'aaaa'.count('aa')
'-'.join(['a', 'b'])
'-'.join(['a', 1])
'-'.join('abc')
'{} and {}'.format(1, 'x')
'{1} {0} {a} {{}}'.format(1, 2, a=3)
'{}'.format()
'7'.zfill(3) ~ '-7'.zfill(4)
'a'.ljust(3) ~ '|' ~ 'a'.rjust(3, '.')
'12'.isdigit() ~ ''.isdigit() ~ 'a1'.isalnum() ~ 'ab'.isalpha() ~ ' '.isspace()
'aB'.islower() ~ 'ab'.islower() ~ 'AB'.isupper() ~ '12'.isupper()
l.index(1)
l.index(7)
l.count(3)
l.append(1)
l.sort()
l.copy()
(1, 2, 1).count(1)
s.__class__
d.__class__.__name__
s | upper
s | lower
s | length
u | length
l | length
d | count
n | length
missing | length
none | length
e | length
'  x ' | trim ~ '|'
'xxaxx' | trim('x')
n | trim
missing | trim ~ '|'
none | trim
s | replace('l', 'L')
s | replace('l', 'L', 2)
n | replace(3, 4)
l | join
l | join(', ')
names | join('-')
users | join(', ', attribute='name')
missing | join('x')
'abc' | join('.')
l | first
l | last
[] | first
[] | last
[] | first is defined
s | first
d | first
l | sort
l | sort(reverse=true)
names | sort
names | sort(case_sensitive=true)
users | map(attribute='age', default=2) | sort
users | sort(attribute='name') | map(attribute='name') | list
users | sort(attribute='age') | length
users | sort(attribute='nothing') | length
users | sort(attribute='nothing,name') | map(attribute='name') | list
users | map(attribute=none) | list | length
users | map(attribute=2, default=0) | list
[missing, 1, missing] | unique | list | length
{missing: 1}[other]
d.get([])
[] in d
n | indent
'-'.join(missing)
[1, 'a'] | sort
names | unique | list
['a', 'A', 'b'] | unique | join
names | reverse | list
s | reverse
l | sum
users | map(attribute='tags') | map('length') | sum
[1.5, 2] | sum
l | max
l | min
[] | max
names | max
names | min
d | dictsort
d | dictsort(false, 'key', true)
{'B': 1, 'a': 2} | dictsort
{'B': 1, 'a': 2} | dictsort(true)
{'x': 2, 'y': 1} | dictsort(by='value')
d | items | list
missing | items | list
l | items | list
s | list
d | list
n | list
missing | list
users | map(attribute='name') | join(',')
users | map(attribute='tags.0') | join(',')
users | map(attribute='age', default=0) | list
l | map('string') | join('+')
names | map('upper') | list
l | map('default', 1) | list
l | map | list
l | select('odd') | list
l | select('greaterthan', 1) | list
l | reject('equalto', 1) | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
users | selectattr('age') | map(attribute='name') | list
users | selectattr('age', 'defined') | list | length
users | selectattr('name', 'equalto', 'bob') | list | length
users | selectattr('age', '==', 1) | map(attribute='name') | first
users | selectattr('name', 'in', ['bob', 'cid']) | map(attribute='name') | list
users | rejectattr('tags') | map(attribute='name') | list
(l | select('odd')) is iterable
(l | map('string'))[0] is defined
l | select('odd') | length
'yes' if l | select('equalto', 9) else 'no'
missing | default('x')
none | default('x')
none | default('x', true)
e | d('x', boolean=true)
s | default('x')
missing | default
d.missing | default(d.b)
n | string + 'x'
none | string
l | string
'42' | int + 1
'4.7' | int
'x' | int
'x' | int(7)
'ff' | int(base=16)
'0x1f' | int(0, 16)
f | int
-2.7 | int
t | int
none | int
missing | int
'1.5' | float
'x' | float
n | float
-3 | abs
-3.5 | abs
'a' | abs
2.5 | round
3.5 | round
2.675 | round(2)
2.6 | round | int
42.55 | round(1, 'floor')
42.51 | round(1, 'ceil')
7 | round
1234.5 | round(-2)
'a b-c_d é' | wordcount
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true)
'a\nb\n\nc' | indent(width='>', blank=true)
'%s=%s' | format('a', 1)
'%(x)s' | format(x=2)
d | attr('items') is defined
d | attr('b') is defined
s | safe
d | tojson
l | tojson
q | tojson
u | tojson
u | tojson(ensure_ascii=true)
[1.0, 2.5, 1e20, true, none, 'x'] | tojson
{'a': {'b': [1, {}], 'c': []}} | tojson(indent=2)
{'a': [1, 2]} | tojson(indent=0)
{'a': [1, 2]} | tojson(indent='--')
{'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':'))
{'b': 1, 'a': 2} | tojson(sort_keys=true)
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
(1, 2) | tojson
missing | tojson
range(3) | tojson
d.items() | tojson
users[0] | tojson(indent=4)
'<b>&\'"' | tojson
n is defined
missing is defined
missing is not defined
missing is undefined
d.zz is defined
n is number
f is number
t is number
t is boolean
n is integer
t is integer
f is float
s is string
l is string
d is mapping
l is mapping
l is sequence
s is sequence
d is sequence
d.items() is sequence
n is iterable
s is iterable
missing is iterable
no is none
z is none
t is true
n is true
b is false
z is false
n is odd
z is even
6 is divisibleby 3
6 is divisibleby(4)
'abc' is lower
'ABC' is upper
n is eq 3
n is equalto(3)
n is ne 3
n is gt 2
n is ge(3)
n is lt 3
n is le 3
n is sameas n
none is sameas none
2 is in l
2 is in [1]
s is callable
s.upper is callable
range is callable
'upper' is filter
'nothing' is filter
'odd' is test
n is not string and s is string
not n is string
n is string or true
s is string is true
-1 is odd
-3 | abs + 1
2 + 3 | string
'a' ~ 'b' | upper
('a' ~ 'b') | upper
s | upper | lower | length
[1, 2, 3,] | length
{'a': 1,}
(1, 2,)
l[0], l[1]
(l | sort)[0]
d.a.x | join('-')
users[0].name.upper()
users[-1].tags[-1]
users[0]['name'][0]
[[1, 2], [3]] | map('join', '-') | list
'a' if missing is defined and missing.x else 'b'
{} == {} and [] == []
{'a': n}.a
{'a': {'b': 5}}['a'].b
[l, l][1][0]
""".strip()

# Whole templates.
TEMPLATES = [
    "",
    "\n",
    "text\n",
    "text\n\n",
    "a\r\nb\rc\n",
    "{{ '{{' }} {{ \"%}\" }} { % } {a}",
    "{# comment #}x{#- c -#} y",
    "a {# c #}\nb",
    "  {# c #}\nb",
    "{# {{ x }} {% if %} #}ok",
    "{% raw %}{{ x }} {% if %}{% endraw %}!",
    "a\n  {%- raw -%}  {{ x }}  {%- endraw %}\nb",
    "{% raw %}\nx\n{% endraw %}\ny",
    "{% if t %}\n  a\n{% endif %}\nb",
    "  {% if t %}\n  a\n  {% endif %}\n  b",
    "x {% if t %} a {% endif %} b",
    "  {%+ if t %}a{% endif +%}\nb",
    "x  {%- if t -%}  a  {%- endif -%}  b",
    "x\n\n  {{- s -}}\n\n y",
    "x\n  {{ s }}\n  y",
    "{{ 1 }}\n{{ 2 }}\n",
    "{%- set x = 1 -%}\n\n{{ x }}",
    "\t{% set x = 1 %}\n\t{{ x }}",
    "a{% set x = 1 %}\n\nb",
    "{% if z %}1{% elif e %}2{% elif n %}3{% else %}4{% endif %}",
    "{% if z %}1{% else %}2{% endif %}",
    "{% if z: %}1{% endif %}|",
    "{% if n and (z or t) %}y{% endif %}",
    "{% for x in l %}{{ x }},{% endfor %}",
    "{% for x in l %}\n- {{ x }}\n{% endfor %}\nend",
    "{% for x in [] %}a{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}",
    "{% for x in l if x > 9 %}a{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }};{% endfor %}",
    "{% for k in d %}{{ k }};{% endfor %}",
    "{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for c in s %}{{ c }}.{% endfor %}",
    "{% for x in missing %}a{% else %}b{% endfor %}",
    "{% for x in none %}a{% endfor %}",
    "{% for x in n %}a{% endfor %}",
    "{% for x in missing.y %}a{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}"
    "{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}",
    "{% for x in l %}[{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}]{% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem.y }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in l %}{{ loop.nothing }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{{ loop }}",
    "{% for x in l %}{% set loop = 1 %}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% continue %}{% else %}else{% endfor %}",
    "{% for x in l %}{% for y in [] %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}",
    "{% break %}",
    "{% for x in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in l %}{% if loop.first %}{% set x = 5 %}{% endif %}{{ x }}|{% endfor %}{{ x }}",
    "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for x in l %}{% endfor %}{{ x }}",
    "{% set n = n + 1 %}{{ n }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = [1, 2, 3] %}",
    "{% set x = 1, 2 %}{{ x }}",
    "{% set ns = namespace(i=0, f=false) %}{% for x in l %}{% set ns.i = ns.i + x %}{% endfor %}"
    "{{ ns.i }}{{ ns.f }}{{ ns.zz is defined }}{{ ns['i'] }}",
    "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a + ns.b }}",
    "{% set ns = namespace() %}{% set ns._a = 1 %}",
    "{% set d.x = 1 %}",
    "{% set q.x = 1 %}",
    "{% set zz.x = 1 %}",
    "{% set d['x'] = 1 %}",
    "{% set 1 = 2 %}",
    "{% set true = 2 %}",
    "{% set x %}a {{ n }}{% endset %}[{{ x }}]{{ x | length }}",
    "{% set x | upper | trim %} a {{ n }} {% endset %}[{{ x }}]",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y }}",
    "{% filter upper %}a{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}aba{% endfilter %}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% with a = 1, b = a %}{{ b }}{% endwith %}",
    "{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=4, a=5) }}",
    "{% macro f(a) %}[{{ a }}]{% endmacro %}{{ f() }}",
    "{% macro f(a) %}[{{ a.x }}]{% endmacro %}{{ f() }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{% endmacro %}{{ f(b=1) }}",
    "{% macro f(a) %}{% endmacro %}{{ f(1, a=1) }}",
    "{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(1) }}",
    "{% macro f(a=1, b) %}{% endmacro %}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}",
    "{% macro f() %}{{ n }}{{ x }}{% endmacro %}{% set x = 7 %}{{ f() }}",
    "{% macro f() %}{% set x = 1 %}{{ x }}{% endmacro %}{{ f() }}{{ x }}",
    "{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %} x {% endmacro %}{{ f() | trim }}{{ f() is string }}{{ f is callable }}{{ f.name }}",
    "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f() %}{{ caller() }}{{ caller(1) }}{% endmacro %}{% call f() %}c{% endcall %}",
    "{% macro f(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) f(3) %}{{ y + n }}{% endcall %}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}{{ s }}{% endcall %}",
    "{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}",
    "{% macro f() %}x{% endmacro %}{% call f() %}c{% endcall %}",
    "{% call n %}{% endcall %}",
    "{% generation %}a{{ n }}{% endgeneration %}b",
    "{% generation %}\na\n{% endgeneration %}\nb",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}"
    "@{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for x in l %}{{ loop(l) }}{% endfor %}",
    "{{ [1, 2] | map('unknown') | list }}",
    "{% if z %}{{ n | unknown }}{% endif %}ok",
    "{% if t %}{{ n | unknown }}{% endif %}",
    "{% if z %}{{ n is unknown }}{% endif %}ok",
    "{{ n | unknown }}",
    "{{ n is unknown }}",
    "{% unknown %}",
    "{% if %}{% endif %}",
    "{% if n %}",
    "{% for x %}{% endfor %}",
    "{% endif %}",
    "{% if n %}{% endfor %}",
    "{{ }}",
    "{{ n",
    "{% if n",
    "{# x",
    "{% raw %}x",
    "{{ 'x }}",
    "{{ (n }}",
    "{{ n) }}",
    "{{ [n) }}",
    "{{ n ! m }}",
    "{{ n n }}",
    "{{ f(a=1, 2) }}",
    "{{ n | }}",
    "{{ n. }}",
    "{{ n.1.5 }}",
    "{{ '\\x4' }}",
    "{{ - }}",
    "{{ n if }}",
    "{{ {'a' 1} }}",
    "{{ d | tojson | length }}{{ d | tojson(indent=2) }}",
    "{%if n%}a{%endif%}",
    "{%- for x in l -%}\n {{ x }} \n{%- endfor -%}",
    "{{- s }} {{ s -}} x",
    "{{-1}}",
    "{{ -1 }}",
    "{%- if t %}\n\na\n{%- endif %}",
    "\n  \n {%- if t %}x{% endif %}",
    "{% set x = namespace(v=[]) %}{% for i in l %}{% set x.v = x.v + [i * 2] %}{% endfor %}{{ x.v }}",
    "{% set o %}{% for i in l %}{{ i }}{{ ',' if not loop.last }}{% endfor %}{% endset %}{{ o }}",
    "{{ 'a' if n > 2 else raise_exception('no') }}",
    "{{ *l }}",
    "{{ 'a\\\nb' }}|{{ 'c\nd' }}",
    "{% macro f(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(*l) }}{{ f(1, **{'b': 2, 'c': 3}) }}",
    "{{ messages | length }}{{ tools }}{{ documents }}{{ add_generation_prompt }}",
]
