// libedit as installed by the system: line editing and history of `qmoe chat`. Swift can call neither
// functions of variable arguments nor use `stdin` and `stdout`, so both are wrapped here.
#pragma once
#include <histedit.h>
#include <signal.h>
#include <stdio.h>

/// Clears the line; ends the input if there is nothing in it.
static inline unsigned char qmoe_edit_interrupt(EditLine *editor, int key) {
  (void)key;
  const LineInfo *line = el_line(editor);
  if (line->lastchar == line->buffer) return CC_EOF;
  // What is left of the cursor is deleted, so it moves to the end first.
  el_cursor(editor, (int)(line->lastchar - line->cursor));
  line = el_line(editor);
  el_deletestr(editor, (int)(line->cursor - line->buffer));
  return CC_REFRESH;
}

/// Suspends the program; libedit's handler gives the terminal back before.
static inline unsigned char qmoe_edit_suspend(EditLine *editor, int key) {
  (void)editor, (void)key;
  raise(SIGTSTP);
  return CC_NORM;
}

/// An editor of lines on the terminal that `lines` gives former ones to; NULL if there is none.
static inline EditLine *qmoe_edit_begin(History *lines) {
  EditLine *editor = el_init("qmoe", stdin, stdout, stderr);
  if (editor == NULL) return NULL;
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_SIGNAL, 1);
  el_set(editor, EL_HIST, history, lines);
  // Ctrl-C and Ctrl-Z are keys, not signals, while a line is edited.
  el_set(editor, EL_SETTY, "-d", "-isig", NULL);
  el_set(editor, EL_ADDFN, "qmoe-interrupt", "Clear the line, or quit", qmoe_edit_interrupt);
  el_set(editor, EL_ADDFN, "qmoe-suspend", "Suspend the program", qmoe_edit_suspend);
  el_set(editor, EL_BIND, "^C", "qmoe-interrupt", NULL);
  el_set(editor, EL_BIND, "^Z", "qmoe-suspend", NULL);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_source(editor, NULL);
  return editor;
}

/// Sets what gives the text before each line.
static inline void qmoe_edit_prompt(EditLine *editor, char *(*prompt)(EditLine *)) {
  el_set(editor, EL_PROMPT, prompt);
}

/// Sets what `qmoe_edit_data` gives.
static inline void qmoe_edit_set_data(EditLine *editor, void *data) {
  el_set(editor, EL_CLIENTDATA, data);
}

static inline void *qmoe_edit_data(EditLine *editor) {
  void *data = NULL;
  el_get(editor, EL_CLIENTDATA, &data);
  return data;
}

/// A history of at most `count` lines, none twice in a row, with those of the file at `path` if it can
/// be read; NULL if there is no memory.
static inline History *qmoe_history_begin(int count, const char *path) {
  History *lines = history_init();
  if (lines == NULL) return NULL;
  HistEvent event;
  history(lines, &event, H_SETSIZE, count);
  history(lines, &event, H_SETUNIQUE, 1);
  if (path != NULL) history(lines, &event, H_LOAD, path);
  return lines;
}

/// Adds a line, and writes all to the file at `path`.
static inline void qmoe_history_add(History *lines, const char *line, const char *path) {
  HistEvent event;
  history(lines, &event, H_ENTER, line);
  if (path != NULL) history(lines, &event, H_SAVE, path);
}
