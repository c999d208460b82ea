from ldm_teach.interactive.figures.schematic import arrow, box, diagram


def test_boxes_and_arrows_stand_where_they_are_put():
    figure, axes = diagram(4, 2, (0, 10), (0, 5), "a mechanism")
    box(axes, 2, 3, "x", "red")
    arrow(axes, (3, 3), (6, 3), "blue", "times two", (4, 3.5), bend=0.2)
    arrow(axes, (6, 3), (9, 3), "blue")
    assert axes.get_title() == "a mechanism" and axes.get_xlim() == (0, 10) and not axes.axison
    words = {text.get_text(): text.get_position() for text in axes.texts if text.get_text()}
    assert words == {"x": (2, 3), "times two": (4, 3.5)}
    heads = [text.xy for text in axes.texts if hasattr(text, "xy")]
    assert heads == [(6, 3), (9, 3)]
    figure.canvas.draw()
